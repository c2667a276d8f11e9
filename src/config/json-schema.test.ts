import { describe, expect, test } from "bun:test";
import { configJsonSchema } from "./json-schema.ts";
import { configKeys } from "./keys.ts";

describe("configJsonSchema()", () => {
  test("is draft-7, refuses unknown keys, and asks for routers only", () => {
    expect(configJsonSchema()).toMatchObject({
      $schema: "http://json-schema.org/draft-07/schema#",
      additionalProperties: false,
      required: ["routers"],
    });
  });

  test("says of every key what it means", () => {
    const silent = configKeys().filter(({ schema }) => (schema.description ?? "") === "");
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  test("gives every key that is not required a default, or is an object, or means something by its absence", () => {
    const free = configKeys().filter(
      ({ required, schema }) => !required && schema.default === undefined,
    );
    const names = new Set(free.map(({ path }) => path.split(".").at(-1)));
    expect([...names].sort()).toEqual([
      "$schema",
      "allow",
      "allowFile",
      "alpn",
      "answer",
      "backoff",
      "bindingCache",
      "budget",
      "caCertPath",
      "client",
      "clientAuth",
      "clientSan",
      "commonName",
      "crls",
      "defaultIdentity",
      "denyFile",
      "drain",
      "drainWindowSecs",
      "dstName",
      "dtab",
      "experimental",
      "failFast",
      "failureAccrual",
      "fixedLengthStreamedAfterKB",
      "healthCheck",
      "host",
      "hostConnectionPool",
      "interpreter",
      "labelSelector",
      "limits",
      "onRemoval",
      "otherwise",
      "overload",
      "passphraseFile",
      "passthrough",
      "passwordFile",
      "perSource",
      "port",
      "prefix",
      "proxyProtocol",
      "requireClientAuth",
      "retries",
      "routes",
      "scheme",
      "send",
      "slowStart",
      "sni",
      "socketOptions",
      "source",
      "tls",
      "token",
      "tokenPath",
      "trustCerts",
      "trustCertsBundle",
      "user",
    ]);
  });
});
