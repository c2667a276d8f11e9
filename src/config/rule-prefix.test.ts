import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { clientFor } from "./client-for.ts";
import type { HealthCheckConfig } from "./health-types.ts";
import { capturesOf, isTlsName, namesIn, withCaptures } from "./rule-prefix.ts";

describe("capturesOf", () => {
  for (const [prefix, path, captures] of [
    ["/svc", "/svc/web", {}],
    ["/svc/web", "/svc/webs", undefined],
    ["/svc/{name}", "/svc/web", { name: "web" }],
    ["/svc/{name}", "/svc/web/more", { name: "web" }],
    ["/svc/{name}", "/svc", undefined],
    ["/svc/{name}/", "/svc/web", undefined],
    ["/svc/{name}/", "/svc/web/more", { name: "web" }],
    ["/svc/{name}-v{version}", "/svc/web-v2", { name: "web", version: "2" }],
    ["/*/{name}", "/svc/web", { name: "web" }],
    ["/svc/*", "/other/web", undefined],
    ["/svc/{name}.test", "/svc/web.test.evil", undefined],
  ] as const) {
    const answer = captures === undefined ? "does not cover" : "covers";
    test(`${prefix} ${answer} ${path}`, () => {
      const found = capturesOf(prefix, path);
      expect(found && Object.fromEntries(found)).toEqual(captures);
    });
  }

  test("any prefix and any path give an answer", () => {
    const text = fc.stringMatching(/^[/a-z*{}.-]{0,20}$/);
    fc.assert(
      fc.property(text, text, (prefix, path) => {
        capturesOf(prefix, path);
      }),
    );
  });
});

test("names in a text are told once", () => {
  expect(namesIn("{a}.{b}.{a}.example.com")).toEqual(["a", "b"]);
  expect(namesIn("example.com{}")).toEqual([]);
});

test("captures are put into names in lower case", () => {
  const tls = { dnsName: "{name}.Example.com", trustPem: undefined };
  expect(withCaptures(tls, new Map([["name", "Web"]])).dnsName).toBe("web.example.com");
  const fixed = { dnsName: "a.test", trustPem: undefined };
  expect(withCaptures(fixed, new Map())).toBe(fixed);
});

test("names of hosts are names for TLS, and nothing else is", () => {
  for (const name of ["web.example.com", "localhost"]) expect(isTlsName(name)).toBe(true);
  for (const name of ["", "10.0.0.1", "::1", "a..b", "{name}.test", "a b", "a/b", "a".repeat(254)])
    expect(isTlsName(name)).toBe(false);
});

test("settings of a destination have the names of its own captures, of the rule that has them", () => {
  const tls = (dnsName: string) => ({ dnsName, trustPem: undefined });
  const check: HealthCheckConfig = {
    check: { kind: "tls" },
    ...{ intervalMs: 1, timeoutMs: 1, rise: 1, fall: 1, port: undefined },
    initially: "healthy",
    onUnhealthy: "keep",
    tls: tls("check-{all}.test"),
  };
  const rules = [
    { prefix: "/svc/{name}", tls: tls("{name}.test") },
    { prefix: "/svc/{all}", healthCheck: check },
    { prefix: "/svc/web-{name}", tls: tls("own-{name}.test") },
  ];
  const web = clientFor(rules, "/svc/web-1");
  expect(web.tls?.dnsName).toBe("own-1.test");
  expect(web.healthCheck?.tls).toEqual(tls("check-web-1.test"));
  expect(clientFor(rules, "/svc/users").tls?.dnsName).toBe("users.test");
});
