// Lists about TLS that stand in several layers or pages, as none of those may ask another: they say the same.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DESTINATION_TLS_METRICS, SERVER_TLS_METRICS } from "../../src/telemetry/catalogue/tls.ts";
import { Registry } from "../../src/telemetry/registry.ts";
import { TlsCounters } from "../../src/telemetry/tls-counters.ts";
import { TLS_FAILURES } from "../../src/transport/tls-failure.ts";
import { tlsPolicy } from "../../src/transport/tls-policy.ts";

const reasons = Object.keys(TLS_FAILURES);

test("the metrics of failed handshakes name every reason, and no other", () => {
  for (const { failures } of [SERVER_TLS_METRICS, DESTINATION_TLS_METRICS]) {
    const [, list = ""] = /by reason: ([a-z_, ]+)\./.exec(failures.help) ?? [];
    expect(list.split(", ").toSorted()).toEqual(reasons.toSorted());
  }
});

test("the guide explains every reason, and no other", () => {
  const page = readFileSync(join(import.meta.dir, "../../docs/guide/tls.md"), "utf8");
  const [, table = ""] = page.split(/^\| `reason` .*$/m);
  const rows = table.split("\n\n", 1)[0]?.matchAll(/^\| ((?:`\w+`(?:, )?)+) /gm) ?? [];
  const explained = [...rows].flatMap(([, names = ""]) => names.replaceAll("`", "").split(", "));
  expect(explained.toSorted()).toEqual(reasons.toSorted());
});

test("every suite and group of the policy is counted by its name", () => {
  const labels: string[] = [];
  const registry = new Registry((event) => {
    if (event.type === "declare") labels.push(...event.labels);
  });
  const counters = new TlsCounters(registry, SERVER_TLS_METRICS, ["r", "127.0.0.1:443"]);
  const { ciphers, ecdhCurve } = tlsPolicy();
  const rest = { version: "TLSv1.2", alpn: undefined, resumed: false };
  for (const cipher of ciphers.split(":")) counters.agreed({ cipher, group: undefined, ...rest });
  for (const group of ecdhCurve.split(":")) counters.agreed({ cipher: undefined, group, ...rest });
  for (const name of [...ciphers.split(":"), ...ecdhCurve.split(":")])
    expect(labels).toContain(name);
});
