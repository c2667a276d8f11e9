import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parsePath, pathStartsWith, printPath } from "./path.ts";

const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const label = fc.oneof(
  fc.stringMatching(/^[0-9A-Za-z_:.#$%-]{1,8}$/),
  fc.array(byte, { minLength: 1, maxLength: 8 }).map((bytes) => bytes.join("")),
);
const labels = fc.array(label, { maxLength: 6 });

function labelsOf(text: string): readonly string[] | string {
  const parsed = parsePath(text);
  return parsed.ok ? parsed.labels : parsed.message;
}

describe("parsePath()", () => {
  test.each([
    ["/", []],
    ["/svc/web", ["svc", "web"]],
    ["  /foo/bar  ", ["foo", "bar"]],
    ["# a comment\n/foo # another", ["foo"]],
    ["/#/io.l5d.fs", ["#", "io.l5d.fs"]],
    ["/foo#bar", ["foo#bar"]],
    ["/$/inet/127.1/80", ["$", "inet", "127.1", "80"]],
    ["/\\x66\\x6f\\x6F", ["foo"]],
    ["/a\\x20b", ["a b"]],
    ["/100%25", ["100%25"]],
    ["/a:b-c_d.e", ["a:b-c_d.e"]],
  ])("reads %p", (text, expected) => expect(labelsOf(text)).toEqual(expected));

  test.each([
    ["", 1, "'/' expected but end of input found at '[]'"],
    ["invalid", 1, "'/' expected but 'i' found at '[i]nvalid'"],
    ["/foo/bar/", 10, "label char expected but end of input found at '/foo/bar/[]'"],
    ["//", 2, "end of input expected but '/' found at '/[/]'"],
    ["/foo//bar", 6, "label char expected but '/' found at '/foo/[/]bar'"],
    ["/foo^bar", 5, "end of input expected but '^' found at '/foo[^]bar'"],
    ["/{}", 2, "end of input expected but '{' found at '/[{]}'"],
    ["/\\?", 3, "'x' expected but '?' found at '/\\[?]'"],
    ["/\\x?", 4, "hex char expected but '?' found at '/\\x[?]'"],
    ["/\\x0?", 5, "hex char expected but '?' found at '/\\x0[?]'"],
    ["/foo /bar", 6, "end of input expected but '/' found at '/foo [/]bar'"],
    ["/é", 2, "end of input expected but 'é' found at '/[é]'"],
  ])("refuses %p and says where", (text, column, message) =>
    expect(parsePath(text)).toEqual({ ok: false, column, message }),
  );

  test("gives a value or an error for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (text) => {
        const parsed = parsePath(text);
        if (!parsed.ok) expect(parsed.column).toBeGreaterThan(0);
      }),
    );
  });

  test("does not slow down on long comments", () => {
    expect(labelsOf(`/a ${"#".repeat(100_000)}\n^`)).toContain("end of input expected");
  });
});

describe("printPath()", () => {
  test("is undone by parsePath() for any labels", () => {
    fc.assert(fc.property(labels, (path) => expect(labelsOf(printPath(path))).toEqual([...path])));
  });

  test("gives every path one spelling", () => {
    expect(printPath(["foo"])).toBe("/foo");
    expect(printPath(["a b"])).toBe("/\\x61\\x20\\x62");
    expect(printPath([])).toBe("/");
  });
});

describe("pathStartsWith()", () => {
  test.each([
    ["/svc/a", "/svc", true],
    ["/svc", "/svc", true],
    ["/svcs", "/svc", false],
    ["/svc/a", "/", true],
    ["/", "/", true],
    ["/svc/a", "/svc/", true],
    ["/svc", "/svc/", false],
    ["/svc", "/svc/a", false],
  ])("%p begins with %p: %p", (path, prefix, expected) =>
    expect(pathStartsWith(path, prefix)).toBe(expected),
  );

  test("compares whole segments", () => {
    fc.assert(
      fc.property(labels, labels, (path, prefix) => {
        const expected = prefix.every((segment, at) => path[at] === segment);
        expect(pathStartsWith(printPath(path), printPath(prefix))).toBe(expected);
      }),
    );
  });
});
