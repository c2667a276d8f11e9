import { describe, expect, test } from "bun:test";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";
import { describeRoutes } from "./describe-routes.ts";
import { fixedPartOf, pathsOf } from "./route-paths.ts";
import { unreachable } from "./route-coverage.ts";
import type { ServerConfig } from "./types.ts";

/** A file with a server of these keys, whose names namerd knows. */
const file = (keys: string, client = "{kind: io.l5d.global}"): string => `
routers:
  - label: r
    interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://namerd"}
    servers: [{port: 1, ${keys}}]
    client: ${client}
`;
const PASS = "passthrough: {}";

function server(keys: string): ServerConfig {
  const found = configFrom(file(keys)).routers[0]?.servers[0];
  if (found === undefined) throw new Error("no server");
  return found;
}

describe("routing of a server", () => {
  test("is nothing where all connections have one path", () => {
    const plain = server("dstName: /svc/web");
    expect([plain.dstName, plain.routing]).toEqual(["/svc/web", undefined]);
  });

  test("has rules in one spelling, with defaults for what has none", () => {
    const { dstName, routing } = server(`${PASS}, dstName: "/svc/{sni}", routes: [
      {match: {sni: [Web.Example.com.], source: [10.1.2.3, "::ffff:10.0.0.0/104"]}, dstName: '/svc/\\x61'},
      {match: {alpn: [h2]}, answer: close}], otherwise: {noServerName: /svc/none}`);
    expect(dstName).toBe("/svc/{sni}");
    expect(routing).toEqual({
      routes: [
        {
          match: { sni: ["web.example.com"], source: ["10.1.2.3/32", "10.0.0.0/8"] },
          to: { kind: "path", path: "/svc/a" },
        },
        { match: { alpn: ["h2"] }, to: { kind: "end", how: "close" } },
      ],
      rest: { kind: "template", template: "/svc/{sni}" },
      otherwise: {
        notTls: { kind: "end", how: "reset" },
        noServerName: { kind: "path", path: "/svc/none" },
        noRoute: { kind: "end", how: "reset" },
        silent: { kind: "end", how: "reset" },
      },
      passthrough: { helloTimeoutMs: 5_000 },
    });
  });

  test("leads to paths that are known from the start, each once", () => {
    const routed = server(`${PASS}, dstName: /svc/b, routes: [
      {match: {sni: [a.x]}, dstName: /svc/a}, {match: {sni: [b.x]}, dstName: /svc/b},
      {match: {sni: [c.x]}, dstName: "/svc/{sni}"}], otherwise: {silent: /svc/mail}`);
    expect(pathsOf(routed)).toEqual(["/svc/a", "/svc/b", "/svc/mail"]);
    expect(fixedPartOf("/svc/x/a-{sni}/b")).toBe("/svc/x");
  });

  test("is said in lines for people", () => {
    const { routing } = server(`${PASS}, routes: [
      {match: {sni: [a.x, "*.b.x"], alpn: [h2]}, dstName: /svc/a},
      {match: {source: [10.0.0.0/8]}, answer: reset}], otherwise: {notTls: close, silent: /svc/mail}`);
    expect(routing && describeRoutes(routing)).toEqual([
      "sni a.x, *.b.x and alpn h2 -> /svc/a",
      "source 10.0.0.0/8 -> reset",
      "no TLS -> close",
      "no server name -> reset",
      "no route -> reset",
      "silent -> /svc/mail",
    ]);
  });
});

describe("names that connections bring up", () => {
  const router = (keys: string, cache: string) =>
    configFrom(file(keys).replace("    client", `    ${cache}\n    client`)).routers[0];

  test("are bounded as linkerd does, and as the file says", () => {
    const names = `${PASS}, dstName: "/svc/{sni}"`;
    expect(router(names, "")?.bindingCache).toEqual({ paths: 1_000, idleTtlMs: 600_000 });
    const cache = "bindingCache: {paths: 5, idleTtlSecs: 1}";
    expect(router(names, cache)?.bindingCache).toEqual({ paths: 5, idleTtlMs: 1_000 });
    expect(router(`${PASS}, dstName: /svc/a`, "")?.bindingCache).toBeUndefined();
  });

  test("have no bounds where there are none", () => {
    const text = file("dstName: /svc/a").replace("    client", "    bindingCache: {}\n    client");
    expect(problemsIn(text)).toEqual([
      expect.stringContaining("no path of this router has {sni} or {alpn} in it"),
    ]);
  });
});

describe("routing is refused", () => {
  const rule = (text: string) => `${PASS}, routes: [${text}]`;

  test.each([
    ["", "dstName: missing: expected a path such as /svc/web, or routes"],
    [
      "dstName: '/svc/{sni}'",
      "{sni} needs tls or passthrough: of plain TCP no such thing is known",
    ],
    ["dstName: '/svc/{alpn}'", "{alpn} needs tls or passthrough"],
    ["routes: [{match: {sni: [a.x]}, dstName: /svc/a}]", "match.sni: sni needs tls or passthrough"],
    [
      "routes: [{match: {alpn: [h2]}, dstName: /svc/a}]",
      "match.alpn: alpn needs tls or passthrough",
    ],
    [
      rule('{match: {clientSan: ["spiffe://td/x"]}, dstName: /svc/a}'),
      "clientSan needs tls.clientAuth: clients show a certificate only where one is asked for",
    ],
    [
      rule('{match: {clientSan: ["a b"]}, dstName: /svc/a}'),
      "expected a name such as DNS:web.example.com or spiffe://domain/path",
    ],
    [rule("{match: {sni: [a.x]}}"), "expected one of dstName and answer, found none"],
    [
      rule("{match: {sni: [a.x]}, dstName: /svc/a, answer: close}"),
      "expected one of dstName and answer, found both",
    ],
    [
      rule("{match: {}, dstName: /svc/a}"),
      "expected at least one of sni, alpn, clientSan and source",
    ],
    [
      rule("{match: {sni: []}, dstName: /svc/a}"),
      "expected a list of at least one of the server names",
    ],
    [rule("{match: {sni: ['a*.x']}, dstName: /svc/a}"), "a star stands for the whole first label"],
    [
      rule("{match: {sni: ['a b']}, dstName: /svc/a}"),
      "expected a server name such as web.example.com",
    ],
    [rule("{match: {sni: [a.x]}, answer: drop}"), "expected close or reset"],
    [rule("{match: {source: [10.1.1.1/8]}, dstName: /svc/a}"), "it has bits beyond its length"],
    ["routes: [], dstName: /svc/a", "expected a list of at least one rule"],
    ["dstName: /svc/a, otherwise: {notTls: close}", "only with passthrough are there connections"],
    ["dstName: /svc/a, otherwise: {silent: close}", "only with passthrough are there connections"],
    ["dstName: /svc/a, otherwise: {noServerName: close}", "noServerName needs tls or passthrough"],
    [`${PASS}, dstName: /svc/a, otherwise: {notTls: closed}`, "did you mean close?"],
    [`${PASS}, dstName: /svc/a, otherwise: {notTls: "/svc/{sni}"}`, "only the dstName of a server"],
    [`passthrough: {helloTimeoutMs: 0}, dstName: /svc/a`, "1 or more"],
  ])("%s", (keys, problem) => {
    const problems = problemsIn(file(keys === "" ? "ip: 127.0.0.1" : keys));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  test("with tls besides passthrough", () => {
    const tls = "tls: {defaultIdentity: {certs: [a.pem], privateKey: a.key}}";
    expect(problemsIn(file(`${PASS}, ${tls}, dstName: /svc/a`)).join("\n")).toContain(
      "passthrough: tls ends the client's TLS, and passthrough leaves it alone: give one of them",
    );
  });

  test("where a path is not among the names of the interpreter", () => {
    const text = file(`${PASS}, routes: [{match: {sni: [a.x]}, dstName: /svc/a}]`).replace(
      '{kind: io.l5d.namerd.http, baseUrl: "http://namerd"}',
      "{kind: io.l5d.static, names: {/svc/b: [127.0.0.1:1]}}",
    );
    expect(problemsIn(text)).toEqual([
      expect.stringContaining("/svc/a is not among the names of the interpreter"),
    ]);
  });
});

describe("routing is warned of", () => {
  const rules = (...list: string[]) => `${PASS}, dstName: /svc/z, routes: [${list.join(", ")}]`;
  const to = (match: string) => `{match: ${match}, dstName: /svc/a}`;

  test.each([
    [
      rules(to("{sni: ['*.x.y']}"), to("{sni: [a.x.y, b.x.y], alpn: [h2]}")),
      "routes[1]: this rule is never reached: routers[0].servers[0].routes[0] matches first",
    ],
    [
      rules(to("{sni: [a.x]}"), to("{sni: [b.x, A.x]}")),
      "routes[1].match.sni[1]: this name is never reached here: routers[0].servers[0].routes[0] matches",
    ],
    [
      rules(to("{source: [10.0.0.0/8]}"), to("{source: [10.1.0.0/16], sni: [a.x]}")),
      "never reached",
    ],
    [rules(to("{source: [0.0.0.0/0, '::/0']}"), to("{source: [10.1.0.0/16]}")), "never reached"],
    [
      "passthrough: {helloTimeoutMs: 10000}, dstName: /svc/a",
      "connectTimeoutMs, which is 10000, ends the wait for a hello before helloTimeoutMs, which is 10000",
    ],
    [`${PASS}, dstName: '/$/inet/{sni}/443'`, "clients choose the host"],
    [`${PASS}, dstName: /svc/a, otherwise: {noRoute: close}`, "dstName takes what no rule is for"],
    [
      `${PASS}, dstName: /svc/a, otherwise: {noServerName: close}`,
      "nothing here goes by server names",
    ],
  ])("%s", (keys, warning) => {
    const problems = problemsIn(file(keys));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("warning: ");
    expect(problems[0]).toContain(warning);
  });

  test.each([
    [rules(to("{sni: [a.x.y]}"), to("{sni: ['*.x.y']}"), to("{sni: ['*.y', x.y]}"))],
    [rules(to("{sni: [a.x], alpn: [h2]}"), to("{sni: [a.x]}"))],
    [rules(to("{source: [10.1.0.0/16]}"), to("{source: [10.0.0.0/8]}"), to("{alpn: [h2]}"))],
    [`${PASS}, dstName: '/svc/{alpn}', otherwise: {noRoute: close}`],
    [`${PASS}, routes: [${to("{sni: [a.x]}")}], otherwise: {noRoute: close, noServerName: reset}`],
  ])("not in %s", (keys) => {
    expect(problemsIn(file(keys))).toEqual([]);
  });

  test("of a prefix of the client only where no path can be below it", () => {
    const client = (prefix: string) => `{kind: io.l5d.static, configs: [{prefix: ${prefix}}]}`;
    const keys = `${PASS}, dstName: "/svc/{sni}", routes: [${to("{sni: [a.x]}")}]`;
    for (const prefix of ["/svc", "/svc/", "/svc/web.x", "/svc/a"])
      expect(problemsIn(file(keys, client(prefix)))).toEqual([]);
    expect(problemsIn(file(keys, client("/svcs")))).toHaveLength(1);
  });

  test("in a time that does not grow with the square of the rules", () => {
    const many = Array.from({ length: 20_000 }, (_, at) => ({ sni: [`n${at}.x`] }));
    const startedMs = performance.now();
    expect(unreachable(many)).toEqual([]);
    // Each against each would be 400 million comparisons of names.
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  });
});
