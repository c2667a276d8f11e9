import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { anySanMatches, parseSanPattern, type San } from "./san-pattern.ts";

function fits(pattern: string, ...names: readonly San[]): boolean {
  const read = parseSanPattern(pattern);
  if (read === undefined) throw new Error(`no pattern: ${pattern}`);
  return anySanMatches([read], names);
}
const dns = (value: string): San => ({ kind: "DNS", value });
const uri = (value: string): San => ({ kind: "URI", value });

describe("parseSanPattern", () => {
  test.each<[string, San, boolean]>([
    ["DNS:a.example.com", dns("A.example.com"), true],
    ["a.example.com", dns("a.example.com"), true],
    ["*.example.com", dns("a.example.com"), true],
    ["*.example.com", dns("a.b.example.com"), false],
    ["*.example.com", dns("example.com"), false],
    ["*.example.com", dns(".example.com"), false],
    ["a.example.com", dns("*.example.com"), false],
    ["DNS:*.example.com", dns("*.example.com"), true],
    ["a.example.com", uri("a.example.com"), false],
    ["spiffe://td/ns/*", uri("spiffe://td/ns/web"), true],
    ["spiffe://td/ns/*", uri("SPIFFE://TD/ns/web"), true],
    ["spiffe://td/ns/*", uri("spiffe://td/NS/web"), false],
    ["spiffe://td/ns/*", uri("spiffe://td/ns/web/sa/x"), false],
    ["spiffe://td/ns/*", uri("spiffe://td/ns/"), false],
    ["spiffe://td/ns/*/sa/*", uri("spiffe://td/ns/web/sa/x"), true],
    ["spiffe://td/ns/**", uri("spiffe://td/ns/web/sa/x"), true],
    ["spiffe://td/ns/**", uri("spiffe://td/ns"), false],
    ["spiffe://td/ns/**", uri("spiffe://td/ns/"), false],
    ["spiffe://td/ns/**", uri("spiffe://td.evil/ns/web"), false],
    ["spiffe://td/**", uri("spiffe://td/anything"), true],
    ["URI:spiffe://td/x", uri("spiffe://td/x"), true],
    ["spiffe://td/x", dns("spiffe://td/x"), false],
    ["IP:10.0.0.1", { kind: "IP", value: "10.0.0.1" }, true],
    ["email:X@y.z", { kind: "email", value: "x@Y.z" }, true],
  ])("%s of %p is %p", (pattern, name, expected) => {
    expect(fits(pattern, name)).toBe(expected);
  });

  test.each(["", "DNS:", "a b", "a..b", "URI:nothing", "spiffe://*/x", "x://a/**/b", "é.example"])(
    "refuses %p",
    (pattern) => {
      expect(parseSanPattern(pattern)).toBeUndefined();
    },
  );

  test("never throws, and what has no star matches only itself", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (pattern, value) => {
        const read = parseSanPattern(pattern);
        if (read === undefined || pattern.includes("*")) return;
        const isSame = value.toLowerCase() === read.text.toLowerCase();
        if (read.matches(value)) expect(isSame).toBe(true);
      }),
    );
  });
});
