import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { RouteMatch, RouteTarget, RoutingConfig } from "../config/route-types.ts";
import { type RouteChoice, RouteTable, type TlsTraits } from "./route-table.ts";

const RESET = { kind: "end", how: "reset" } as const;
const path = (text: string): RouteTarget => ({ kind: "path", path: text });
const template = (text: string): RouteTarget => ({ kind: "template", template: text });

interface Keys {
  readonly routes?: readonly (readonly [RouteMatch, RouteTarget])[];
  readonly rest?: RouteTarget;
  readonly otherwise?: Partial<RoutingConfig["otherwise"]>;
  readonly passthrough?: boolean;
}

/** Ids of paths are their numbers: `/1` is 1. */
function table({ routes = [], rest, otherwise, passthrough = true }: Keys): RouteTable {
  const config: RoutingConfig = {
    routes: routes.map(([match, to]) => ({ match, to })),
    rest,
    otherwise: {
      notTls: RESET,
      noServerName: undefined,
      noRoute: RESET,
      silent: RESET,
      ...otherwise,
    },
    passthrough: passthrough ? { helloTimeoutMs: 1_000 } : undefined,
  };
  return new RouteTable(config, (text) => Number(text.slice(1)));
}

function tls(serverName?: string, alpn: readonly string[] = [], sans: readonly string[] = []) {
  return {
    serverName,
    alpn,
    sans: () => sans.map((value) => ({ kind: "uri", value }) as const),
  } satisfies TlsTraits;
}

/** A number for a path, a text for a name, the end or the case. */
function said({ to, because }: RouteChoice): number | string {
  switch (to.kind) {
    case "destination":
      return because === undefined ? to.destination : `${because}:${to.destination}`;
    case "name":
      return to.path;
    case "end":
      return because ?? to.how;
    default:
      return to satisfies never;
  }
}

describe("RouteTable takes the first rule that matches", () => {
  const names = table({
    routes: [
      [{ sni: ["web.example.com", "*.a.example.com"] }, path("/1")],
      [{ sni: ["*.example.com"], alpn: ["h2"] }, path("/2")],
      [{ sni: ["*.example.com", "web.example.com"] }, path("/3")],
      [{ alpn: ["h2", "spdy"] }, path("/4")],
    ],
    rest: path("/9"),
  });

  test.each<[string | undefined, string[], number]>([
    ["web.example.com", [], 1],
    ["x.a.example.com", [], 1],
    ["y.x.a.example.com", [], 9],
    ["a.example.com", ["h2"], 2],
    ["a.example.com", ["http/1.1"], 3],
    ["example.com", [], 9],
    ["other", ["x", "spdy"], 4],
    [undefined, ["h2"], 4],
    [undefined, [], 9],
    [".example.com", [], 9],
  ])("for %p and %p it is %p", (name, alpn, expected) => {
    expect(said(names.choose("10.0.0.1", tls(name, alpn)))).toBe(expected);
  });

  test("by address, and every key must fit", () => {
    const sources = table({
      routes: [
        [{ source: ["10.0.0.0/8", "fd00::/8"], sni: ["a"] }, path("/1")],
        [{ source: ["10.1.0.0/16"] }, path("/2")],
      ],
    });
    const to = (ip: string | undefined, name: string) => said(sources.choose(ip, tls(name)));
    expect(["10.9.9.9", "::ffff:10.9.9.9", "fd00::1"].map((ip) => to(ip, "a"))).toEqual([1, 1, 1]);
    expect([to("10.1.2.3", "b"), to("11.0.0.1", "a"), to(undefined, "a")]).toEqual([
      2,
      "no_route",
      "no_route",
    ]);
  });

  test("by names of the certificate, which are only asked for where they count", () => {
    const rules = table({
      routes: [
        [{ sni: ["a"], clientSan: ["spiffe://td/ns/*"] }, path("/1")],
        [{ sni: ["a", "b"] }, path("/2")],
      ],
    });
    expect(said(rules.choose("1.1.1.1", tls("a", [], ["spiffe://td/ns/x"])))).toBe(1);
    expect(said(rules.choose("1.1.1.1", tls("a", [], ["spiffe://td/x"])))).toBe(2);
    const unasked = {
      ...tls("b"),
      sans: () => {
        throw new Error("asked");
      },
    };
    expect(said(rules.choose("1.1.1.1", unasked))).toBe(2);
  });

  test("as a walk through all rules would, whatever they are", () => {
    const name = fc.constantFrom("a.x", "b.x", "a.b.x", "x", "*.x", "*.b.x");
    const match = fc.record(
      {
        sni: fc.array(name, { minLength: 1, maxLength: 3 }),
        alpn: fc.array(fc.constantFrom("h2", "h1"), { minLength: 1, maxLength: 2 }),
      },
      { requiredKeys: [] },
    );
    const asked = fc.constantFrom("a.x", "b.x", "a.b.x", "c.x", "x", undefined);
    fc.assert(
      fc.property(fc.array(match, { maxLength: 12 }), asked, fc.boolean(), (rules, own, h2) => {
        const alpn = h2 ? ["h2"] : [];
        const fits = ({ sni, alpn: wanted }: RouteMatch): boolean => {
          const parent = own?.includes(".") === true ? `*${own.slice(own.indexOf("."))}` : "";
          const isNamed = own !== undefined && (sni ?? []).some((x) => x === own || x === parent);
          return (sni === undefined || isNamed) && (wanted?.some((x) => alpn.includes(x)) ?? true);
        };
        const routes = rules.map((rule, index) => [rule, path(`/${index}`)] as const);
        const expected = rules.findIndex(fits);
        const chosen = table({ routes, rest: path("/99") }).choose(undefined, tls(own, alpn));
        expect(said(chosen)).toBe(expected < 0 ? 99 : expected);
      }),
    );
  });
});

describe("RouteTable fills templates", () => {
  test.each([
    ["/svc/{sni}", tls("a.b"), "/svc/a.b"],
    ["/svc/x-{sni}/{alpn}", tls("a.b", ["h2", "h1"]), "/svc/x-a.b/h2"],
    ["/svc/{alpn}", tls("a", ["http/1.1"]), "/svc/\\x68\\x74\\x74\\x70\\x2f\\x31\\x2e\\x31"],
    ["/svc/{sni}", tls(undefined), "no_server_name"],
    ["/svc/{alpn}", tls("a"), "no_route"],
    ["/svc/{alpn}", tls("a", [""]), "no_route"],
    ["/svc/{alpn}", tls(undefined, []), "no_route"],
  ])("%s", (text, traits, expected) => {
    expect(said(table({ rest: template(text) }).choose("1.1.1.1", traits))).toBe(expected);
    const rule = table({ routes: [[{ source: ["0.0.0.0/0"] }, template(text)]] });
    expect(said(rule.choose("1.1.1.1", traits))).toBe(expected);
  });
});

describe("RouteTable without a rule that matches", () => {
  const routes = [[{ sni: ["a"] }, path("/1")]] as const;

  test("goes by dstName, unless a name is wanted first", () => {
    expect(said(table({ routes, rest: path("/9") }).choose("1.1.1.1", tls()))).toBe(9);
    const wants = { noServerName: { kind: "path", path: "/7" } } as const;
    const named = table({ routes, rest: path("/9"), otherwise: wants });
    expect(said(named.choose("1.1.1.1", tls()))).toBe("no_server_name:7");
    expect(said(named.choose("1.1.1.1", tls("b")))).toBe(9);
  });

  test("tells a client without a name from one with a name that nobody knows", () => {
    const rules = table({ routes });
    expect([said(rules.choose("1.1.1.1", tls())), said(rules.choose("1.1.1.1", tls("b")))]).toEqual(
      ["no_server_name", "no_route"],
    );
  });

  test("has an answer for each case in which there is no hello, and rules by address go before", () => {
    const rules = table({
      routes: [...routes, [{ source: ["10.0.0.0/8"] }, path("/2")]],
      rest: path("/9"),
      otherwise: { notTls: { kind: "path", path: "/5" }, silent: { kind: "end", how: "close" } },
    });
    const cases = ["not_tls", "malformed_hello", "silent"] as const;
    expect(cases.map((what) => said(rules.choose("1.1.1.1", what)))).toEqual([
      "not_tls:5",
      "malformed_hello:5",
      "silent",
    ]);
    expect(cases.map((what) => said(rules.choose("10.0.0.1", what)))).toEqual([2, 2, 2]);
    expect(rules.silent).toEqual({ kind: "end", how: "close" });
  });
});

describe("RouteTable is decided by the address alone", () => {
  const ofTens = { source: ["10.0.0.0/8"] };
  const decides = (keys: Keys) => ["10.0.0.1", "11.0.0.1"].map((ip) => table(keys).isDecidedBy(ip));

  test("where the first rule that may match goes by nothing else", () => {
    expect(decides({ routes: [[ofTens, path("/1")]] })).toEqual([true, false]);
    expect(decides({ routes: [[ofTens, RESET]], rest: path("/9") })).toEqual([true, false]);
  });

  test("not where a rule before it needs the hello, or its own path does", () => {
    const before = [{ sni: ["a"] }, path("/1")] as const;
    expect(decides({ routes: [before, [ofTens, path("/2")]] })).toEqual([false, false]);
    expect(decides({ routes: [[ofTens, template("/svc/{sni}")]] })).toEqual([false, false]);
    const ofOthers = [{ source: ["11.0.0.0/8"], sni: ["a"] }, path("/1")] as const;
    expect(decides({ routes: [ofOthers, [ofTens, path("/2")]] })).toEqual([true, false]);
  });

  test("always where no hello is passed on", () => {
    expect(decides({ routes: [[ofTens, path("/1")]], passthrough: false })).toEqual([true, true]);
  });
});
