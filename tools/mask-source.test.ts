import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { lineAt, maskSource } from "./mask-source.ts";

const code = (source: string): string => maskSource(source).code.replace(/\s+/g, " ").trim();

describe("maskSource()", () => {
  test("blanks comments of both kinds and a first line for the shell", () => {
    expect(code("#!/usr/bin/env bun\na /* b\n c */ d // e\nf")).toBe("a d f");
  });

  test("blanks the inside of strings and keeps it as literals", () => {
    const masked = maskSource(`f("a'\\"b", 'c"d')`);
    expect(masked.code).toBe(`f("     ", '   ')`);
    expect(masked.literals.map(({ text }) => text)).toEqual([`a'\\"b`, `c"d`]);
  });

  test("keeps the code inside a template and blanks its text, however nested", () => {
    expect(code("`a${b({ c: `d${e}f` })}g`; h")).toBe("` ${b({ c: ` ${e} ` })} `; h");
  });

  test("takes a slash for a regular expression only where a value cannot stand before it", () => {
    expect(code(`x = /"[/"]\\/throw/g; y`)).toBe("x = ; y");
    expect(code("return /throw/.test(s)")).toBe("return .test(s)");
    expect(code("a / b / c; (d) / e[0] / f")).toBe("a / b / c; (d) / e[0] / f");
  });

  test("does not take slashes in a string for a comment", () => {
    expect(code(`const url = "http://a"; b`)).toBe(`const url = " "; b`);
  });

  test("keeps length and lines of any text at all", () => {
    const anything = fc.string({ unit: fc.constantFrom(..."ab\"'`\\/*${}()=\n [].") });
    fc.assert(
      fc.property(anything, (source) => {
        const masked = maskSource(source).code;
        expect(masked.length).toBe(source.length);
        expect(masked.split("\n").length).toBe(source.split("\n").length);
      }),
    );
  });
});

test("lineAt() counts from 1", () => {
  expect(["a", "b", "c"].map((letter) => lineAt("a\nb\n\nc", "a\nb\n\nc".indexOf(letter)))).toEqual(
    [1, 2, 4],
  );
});
