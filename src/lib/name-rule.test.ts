import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { NameKind } from "./certificate-names.ts";
import { fitsName, parseNameRule } from "./name-rule.ts";

function fits(rule: string, kind: NameKind, value: string): boolean {
  const parsed = parseNameRule(rule);
  if (!parsed.ok) throw new Error(`${rule}: ${parsed.reason}`);
  return fitsName(parsed.rule, { kind, value });
}

describe("a rule", () => {
  for (const [rule, kind, value] of [
    ["web.example.com", "dns", "web.example.com"],
    ["DNS:Web.Example.com", "dns", "wEB.example.COM"],
    ["DNS:*.example.com", "dns", "web.example.com"],
    ["*.example.com", "dns", "*.example.com"],
    ["web.*.example.com", "dns", "web.eu.example.com"],
    ["localhost", "dns", "localhost"],
    ["spiffe://td/ns/a/sa/b", "uri", "spiffe://td/ns/a/sa/b"],
    ["URI:SPIFFE://TD/ns/a", "uri", "spiffe://td/ns/a"],
    ["spiffe://td/ns/*/sa/web", "uri", "spiffe://td/ns/a/sa/web"],
    ["spiffe://td/ns/**", "uri", "spiffe://td/ns/a"],
    ["spiffe://td/ns/**", "uri", "spiffe://td/ns/a/sa/b"],
    ["spiffe://td/**", "uri", "spiffe://td/a"],
    ["spiffe://td", "uri", "spiffe://td"],
    ["IP:10.0.0.1", "ip", "10.0.0.1"],
    ["ip:10.0.0.0/8", "ip", "10.1.2.3"],
    ["IP:fd00::/8", "ip", "fd00::1"],
    ["email:joe@x.test", "email", "joe@X.test"],
    ["email:*@x.test", "email", "joe@x.test"],
    ["email:*@*.x.test", "email", "joe@a.x.test"],
  ] as const) {
    test(`${rule} is for ${value}`, () => {
      expect(fits(rule, kind, value)).toBe(true);
    });
  }

  for (const [rule, kind, value] of [
    ["web.example.com", "dns", "web.example.com.evil.test"],
    ["web.example.com", "dns", "xweb.example.com"],
    ["web.example.com", "dns", "*.example.com"],
    ["*.example.com", "dns", "example.com"],
    ["*.example.com", "dns", "a.b.example.com"],
    ["*.example.com", "dns", ".example.com"],
    ["*.example.com", "dns", "a\u0000b.example.com"],
    ["*.example.com", "dns", "a, URI:spiffe://td.example.com"],
    ["web.example.com", "uri", "web.example.com"],
    ["web.example.com", "dns", "web.example.com."],
    ["spiffe://td/ns/a", "dns", "spiffe://td/ns/a"],
    ["spiffe://td/ns/a", "uri", "spiffe://td/ns/A"],
    ["spiffe://td/ns/a", "uri", "spiffe://td/ns/a/"],
    ["spiffe://td/ns/a", "uri", "spiffe://td/ns/a?x"],
    ["spiffe://td/ns/*", "uri", "spiffe://td/ns/a/sa/b"],
    ["spiffe://td/ns/*", "uri", "spiffe://td/ns/"],
    ["spiffe://td/ns/**", "uri", "spiffe://td/ns"],
    ["spiffe://td/ns/**", "uri", "spiffe://td/ns/"],
    ["spiffe://td/ns/**", "uri", "spiffe://td/ns/a//b"],
    ["spiffe://td/ns/**", "uri", "spiffe://td/nsx/a"],
    ["spiffe://td/**", "uri", "spiffe://td.evil.test/a"],
    ["spiffe://td/**", "uri", "spiffe://td@evil.test/a"],
    ["spiffe://td/**", "uri", "https://td/a"],
    ["spiffe://td/**", "uri", "xspiffe://td/a"],
    ["IP:10.0.0.0/8", "ip", "11.0.0.1"],
    ["IP:10.0.0.1", "dns", "10.0.0.1"],
    ["email:joe@x.test", "email", "Joe@x.test"],
    ["email:*@x.test", "email", "joe@y.test"],
    ["email:*@x.test", "email", "@x.test"],
    ["email:*@x.test", "email", "x.test"],
  ] as const) {
    test(`${rule} is not for the ${kind} name ${JSON.stringify(value)}`, () => {
      expect(fits(rule, kind, value)).toBe(false);
    });
  }

  for (const [rule, reason] of [
    ["", ""],
    ["DNS:", ""],
    ["a b", ""],
    ["web*.example.com", "an asterisk stands for a whole label"],
    ["**.example.com", "an asterisk stands for a whole label"],
    ["10.0.0.1", "write IP:10.0.0.1"],
    ["fd00::1", "write IP:fd00::1"],
    ["joe@x.test", "write email:joe@x.test"],
    ["URI:td/ns", "a URI begins with a scheme and ://, such as spiffe://"],
    ["spiffe://*/ns", "an asterisk may stand only in the path of a URI"],
    ["spiffe://td/web-*", "an asterisk stands for a whole segment, and ** only at the end"],
    ["spiffe://td/**/web", "an asterisk stands for a whole segment, and ** only at the end"],
    ["IP:web", "after IP: comes an address or a block of addresses"],
    ["email:x.test", "after email: comes an address such as joe@example.com"],
    ["email:j*@x.test", "an asterisk stands for all before the @"],
  ] as const) {
    test(`cannot be ${JSON.stringify(rule)}`, () => {
      expect(parseNameRule(rule)).toEqual({ ok: false, reason });
    });
  }

  test("is for a name that is spelt as it is, whatever that is, or cannot be", () => {
    const segment = fc.stringMatching(/^[a-z0-9._-]{1,9}$/);
    fc.assert(
      fc.property(segment, fc.array(segment, { maxLength: 4 }), (td, path) => {
        const uri = [`spiffe://${td}`, ...path].join("/");
        expect(fits(uri, "uri", uri)).toBe(true);
        expect(fits(`spiffe://${td}/**`, "uri", uri)).toBe(path.length > 0);
        expect(fits(`${uri}/*`, "uri", uri)).toBe(false);
      }),
    );
  });

  test("any text gives an answer, and so does any name", () => {
    const text = fc.oneof(
      fc.string(),
      fc.stringMatching(/^(DNS:|URI:|IP:|email:)?[a*./:@-]{0,20}$/),
    );
    const kind = fc.constantFrom<NameKind>("dns", "uri", "email", "ip");
    fc.assert(
      fc.property(text, kind, text, (rule, of, value) => {
        const parsed = parseNameRule(rule);
        if (parsed.ok) fitsName(parsed.rule, { kind: of, value });
      }),
    );
  });
});
