import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { labelsOf } from "../../test/support/bound-text.ts";
import { type Captures, PathMatcher, PathTemplate, substitute } from "./path-matcher.ts";

function matched(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const parsed = PathMatcher.parse(pattern);
  if (!parsed.ok) throw new Error(parsed.message);
  const captures = parsed.matcher.match(labelsOf(path));
  return captures && Object.fromEntries(captures);
}

describe("PathMatcher", () => {
  test.each([
    ["/foo/bar", "/foo/bar/bas", {}],
    ["/foo/*/*", "/foo/hi/there", {}],
    ["/foo/{A}/*/{B}", "/foo/boo/bar/bas", { A: "boo", B: "bas" }],
    ["/foo/bar/{A}:http", "/foo/bar/bas:http", { A: "bas" }],
    [
      "/foo/bar/{A}.{B}.{C}/{D}",
      "/foo/bar/www.foo.com/80",
      { A: "www", B: "foo", C: "com", D: "80" },
    ],
    ["/foo/bar/{A}-{B}", "/foo/bar/foo-bar-baz", { A: "foo-bar", B: "baz" }],
    ["/#/io.l5d.fs/{service}", "/#/io.l5d.fs/foo", { service: "foo" }],
    ["/", "/", {}],
    ["/", "/a/b", {}],
    ["/foo/", "/foo/bar", {}],
    ["/{my-name}", "/x", { "my-name": "x" }],
    ["/a{A}", "/aa", { A: "a" }],
    ["/{A}a", "/aa", { A: "a" }],
    ["/a{A}a", "/aa", { A: "" }],
    ["/{A}{B}c", "/abc", { A: "ab", B: "" }],
    ["/{A}:", "/:", { A: "" }],
    ["/{A}.{B}", "/...", { A: "..", B: "" }],
    ["/\\x61\\x20b", "/a\\x20b", {}],
    ["/{A}", "/a\\x2fb", { A: "a/b" }],
  ])("%p captures from %p", (pattern, path, captures) =>
    expect(matched(pattern, path)).toEqual(captures),
  );

  test.each([
    ["/foo/bar", "/foo"],
    ["/foo/bar", "/foo/goo"],
    ["/foo/{A}:http", "/foo/bar/bas:http"],
    ["/foo/*", "/foo"],
    ["/{A}.com", "/x.com.evil"],
    ["/a.{A}", "/xa.b"],
    ["/a.c", "/abc"],
    ["/a{A}a", "/a"],
    ["/{A}ab{B}b", "/ab"],
    ["/\\x2a", "/a"],
  ])("%p does not match %p", (pattern, path) => expect(matched(pattern, path)).toBeUndefined());

  test.each([
    ["", 1, "'/' expected but end of input"],
    ["foo", 1, "'/' expected but 'f'"],
    ["//a", 2, "label char expected but '/'"],
    ["/a*", 3, "'/' expected but '*'"],
    ["/*a", 3, "'/' expected but 'a'"],
    ["/{}", 3, "label char expected but '}'"],
    ["/{a", 4, "'}' expected but end of input"],
    ["/a}", 3, "'/' expected but '}'"],
    ["/{a#b}", 6, "a name has only letters, digits, `_`, `.` and `-` at"],
    ["/{a}/{a}", 9, "{a} is there twice at"],
    ["/a b", 3, "'/' expected but ' '"],
  ])("refuses the pattern %p", (pattern, column, begin) => {
    const parsed = PathMatcher.parse(pattern);
    expect(parsed).toMatchObject({ ok: false, column });
    expect(parsed.ok ? "" : parsed.message).toStartWith(begin);
  });

  test("says which names it captures", () => {
    const parsed = PathMatcher.parse("/{a}.{b}/*/{c}");
    expect(parsed.ok && parsed.matcher.names).toEqual(["a", "b", "c"]);
  });

  test("captures what a greedy regular expression does", () => {
    const letters = fc.array(fc.constantFrom("a", "b", "."), { maxLength: 8 });
    const part = fc.constantFrom("a", "b", ".", "ab", "?");
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), letters, (parts, chars) => {
        const label = chars.join("");
        fc.pre(label !== "");
        const pattern = parts.map((text, at) => (text === "?" ? `{v${at}}` : text)).join("");
        const source = parts
          .map((text, at) => (text === "?" ? `(?<v${at}>.*)` : text.replaceAll(".", "\\.")))
          .join("");
        const expected = new RegExp(`^${source}$`).exec(label);
        expect(matched(`/${pattern}`, `/${label}`)).toEqual(
          expected === null ? undefined : { ...expected.groups },
        );
      }),
      { numRuns: 2000 },
    );
  });

  test("does not slow down where nothing matches", () => {
    const pattern = `/${Array.from({ length: 200 }, (_, at) => `{v${at}}a`).join("")}b`;
    expect(matched(pattern, `/${"a".repeat(50_000)}`)).toBeUndefined();
  });

  test("gives a matcher or a place for any text", () => {
    const pieces = fc.array(fc.constantFrom("/", "{", "}", "a", "*", "\\x41", "\\", " ", ":"));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          pieces.map((parts) => parts.join("")),
        ),
        (text) => {
          const parsed = PathMatcher.parse(text);
          if (!parsed.ok) expect(parsed.column).toBeGreaterThan(0);
        },
      ),
    );
  });
});

describe("substitute()", () => {
  const captures = new Map([
    ["service", "foo"],
    ["$&", "no"],
    ["money", "$&{service}"],
  ]);
  test.each([
    ["{service}.com", "foo.com"],
    ["{service}{service}", "foofoo"],
    ["{other}.{service}", "{other}.foo"],
    ["{money}", "$&{service}"],
    ["{ser vice}{", "{ser vice}{"],
    ["", ""],
  ])("makes of %p %p", (template, text) => expect(substitute(template, captures)).toBe(text));
});

describe("PathTemplate", () => {
  const captured = (names: Readonly<Record<string, string>>): Captures =>
    new Map(Object.entries(names));
  function filled(text: string, names: Readonly<Record<string, string>>): unknown {
    const parsed = PathTemplate.parse(text);
    if (!parsed.ok) return `${parsed.column}: ${parsed.message}`;
    return parsed.template.fill(captured(names));
  }

  test("puts captures into labels, whatever bytes they have", () => {
    expect(filled("/svc/{a}-{b}/x", { a: "1", b: "2" })).toEqual(["svc", "1-2", "x"]);
    expect(filled("/svc/{a}", { a: "x/y z" })).toEqual(["svc", "x/y z"]);
    expect(filled("/{a}{a}", { a: "1" })).toEqual(["11"]);
    expect(filled("/", {})).toEqual([]);
  });

  test("makes no path where a name is unknown or a label empty", () => {
    expect(filled("/svc/{a}", {})).toBeUndefined();
    expect(filled("/svc/{a}", { a: "" })).toBeUndefined();
  });

  test("refuses what is no path, and *", () => {
    expect(filled("svc", {})).toStartWith("1: '/' expected");
    expect(filled("/svc/*", {})).toStartWith("6: label char expected but '*'");
  });

  test("says which names it needs", () => {
    const parsed = PathTemplate.parse("/a/{b}{c}/{b}");
    expect(parsed.ok && parsed.template.names).toEqual(["b", "c", "b"]);
  });
});
