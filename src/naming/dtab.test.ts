import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { anyLabel, dentries, nearlyDtab } from "../../test/support/arbitrary-names.ts";
import { parseDentry, parseDtab, printDentryParts, printDtab } from "./dtab.ts";

function printed(text: string): string {
  const parsed = parseDtab(text);
  return parsed.ok ? printDtab(parsed.dtab) : `${parsed.line}:${parsed.column}: ${parsed.message}`;
}

describe("parseDtab()", () => {
  test.each([
    ["", ""],
    ["  # nothing\n", ""],
    ["/=>!;", "/=>!"],
    ["/svc => /#/io.l5d.fs; # note", "/svc=>/#/io.l5d.fs"],
    ["/svc=>/#/io.l5d.fs;/a=>/b", "/svc=>/#/io.l5d.fs;/a=>/b"],
    ["\n/a => /b ;\n\n# c\n/c#d => /e | /f ;\n", "/a=>/b;/c#d=>/e | /f"],
    ["/foo/*/bar => !", "/foo/*/bar=>!"],
    ["/*=>/a", "/*=>/a"],
    ["/\\x2a=>/a", "/\\x2a=>/a"],
    ["/a=>1*/b&9*/c", "/a=>/b & 9.00*/c"],
  ])("reads %p", (text, expected) => expect(printed(text)).toBe(expected));

  test("tells a wildcard from a label that is an asterisk", () => {
    const parsed = parseDtab("/foo/*/\\x2a => !");
    const prefix = [
      { kind: "label", label: "foo" },
      { kind: "any" },
      { kind: "label", label: "*" },
    ] as const;
    expect(parsed).toEqual({ ok: true, dtab: [{ prefix, tree: { kind: "fail" } }] });
  });

  test.each([
    [";", "1:1: '/' expected but ';' found at '[;]'"],
    ["/a=>/b;;/c=>/d", "1:8: '/' expected but ';' found at '/a=>/b;[;]/c=>/d'"],
    ["/a", "1:3: '=>' expected but end of input found at '/a[]'"],
    ["/a = /b", "1:4: '=>' expected but '=' found at '/a [=] /b'"],
    ["/foo/*bar/baz => !", "1:7: '=>' expected but 'b' found at '/foo/*[b]ar/baz => !'"],
    ["/foo* => !", "1:5: '=>' expected but '*' found at '/foo[*] => !'"],
    ["/a/ => /b", "1:4: label char expected but ' ' found at '/a/[ ]=> /b'"],
    ["/a =>", "1:6: a path, ~, !, $ or ( expected but end of input found at '/a =>[]'"],
    ["/a => /b\n/c => /d", "2:1: ';' or end of input expected but '/' found at '[/]c => /d'"],
    [
      "# rules\n/a => /b; # one\n/c => /d {x}",
      "3:10: ';' or end of input expected but '{' found at '/c => /d [{]x}'",
    ],
    ["/a => /b\\y;", "1:10: 'x' expected but 'y' found at '/a => /b\\[y];'"],
  ])("refuses %p and says where", (text, message) => expect(printed(text)).toBe(message));

  test("does not slow down or overflow on long texts", () => {
    const rule = "/svc/a => /#/io.l5d.fs/a | (/b & 2*/c); # note\n";
    const parsed = parseDtab(rule.repeat(20_000));
    expect(parsed.ok && parsed.dtab.length).toBe(20_000);
    expect(printed(`${rule.repeat(20_000)}!`)).toStartWith("20001:1: '/' expected but '!'");
    expect(printed(`/a=>${"(".repeat(1_000_000)}`)).toStartWith("1:105: more than 100");
  });

  test("gives a dtab or a place for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearlyDtab), (text) => {
        const parsed = parseDtab(text);
        if (parsed.ok) return;
        const line = text.split("\n")[parsed.line - 1] ?? "";
        expect(parsed.column).toBeWithin(1, line.length + 2);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("printDtab()", () => {
  test("is undone by parseDtab() for any dtab", () => {
    fc.assert(
      fc.property(fc.array(dentries(anyLabel), { maxLength: 4 }), (dtab) => {
        expect(parseDtab(printDtab(dtab))).toEqual({ ok: true, dtab });
      }),
      { numRuns: 300 },
    );
  });
});

describe("parseDentry()", () => {
  test("is the inverse of printDentryParts()", () => {
    fc.assert(
      fc.property(dentries(anyLabel), (dentry) => {
        const { prefix, dst } = printDentryParts(dentry);
        expect(parseDentry(prefix, dst)).toEqual({ ok: true, dentry });
      }),
    );
  });

  test.each([
    ["svc", "/a", "prefix", 1],
    ["/svc => /b", "/a", "prefix", 6],
    ["/svc/**", "/a", "prefix", 7],
    ["/svc", "/a;", "dst", 3],
    ["/svc", "", "dst", 1],
  ])("refuses %p => %p and says which side", (prefix, dst, part, column) =>
    expect(parseDentry(prefix, dst)).toMatchObject({ ok: false, part, line: 1, column }),
  );
});
