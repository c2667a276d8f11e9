import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BytePattern, type MatchState } from "./byte-pattern.ts";

function compiled(source: string, ignoreCase = false): BytePattern {
  const result = BytePattern.compile(source, ignoreCase);
  if (!result.ok) throw new Error(result.problem);
  return result.pattern;
}

/** What is found in a text of bytes. */
function search(source: string, text: string, ignoreCase = false): MatchState {
  return compiled(source, ignoreCase).matcher().feed(Buffer.from(text, "latin1"));
}

/** Patterns over a small alphabet, so that matches are frequent. */
const source = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom("a", "b", "c", ".", "[ab]", "[^a]", "\\d", "\\x61", "[a-c1]", "\\."),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => a + b),
    fc.tuple(tie("node"), tie("node")).map(([a, b]) => `(${a}|${b})`),
    fc
      .tuple(tie("node"), fc.constantFrom("*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "*?"))
      .map(([a, repeat]) => `(?:${a})${repeat}`),
    tie("node").map((a) => `(^${a}|${a}c)`),
  ),
})).node;

describe("BytePattern", () => {
  test("finds what JavaScript's regular expressions find", () => {
    fc.assert(
      fc.property(
        source,
        fc.string({ unit: fc.constantFrom("a", "b", "c", "A", "1", ".", "\n"), maxLength: 12 }),
        fc.boolean(),
        (pattern, text, ignoreCase) => {
          const found = new RegExp(pattern, ignoreCase ? "is" : "s").test(text);
          expect(search(pattern, text, ignoreCase) === "matched").toBe(found);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("does not care how the bytes are split, and never finds a match after it said there is none", () => {
    fc.assert(
      fc.property(
        source,
        fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 10 }),
        fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 10 }),
        (pattern, head, tail) => {
          const matcher = compiled(pattern).matcher();
          const before = matcher.feed(Buffer.from(head));
          const after = matcher.feed(Buffer.from(tail));
          if (before !== "open") expect(after).toBe(before);
          expect(after).toBe(search(pattern, head + tail));
        },
      ),
    );
  });

  test("tells early that an anchored pattern cannot match", () => {
    expect(search("^\\+PONG", "-ERR")).toBe("impossible");
    expect(search("^\\+PO", "+P")).toBe("open");
    expect(search("PONG", "-ERR")).toBe("open");
  });

  test("takes time in proportion to the bytes where going back would take for ever", () => {
    const startedMs = performance.now();
    expect(search("(a|a)*(a*)*(a+)+b", "a".repeat(65_536))).toBe("open");
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  test("knows UTF-8 outside of brackets, and bytes", () => {
    expect(
      compiled("^é+\\xff")
        .matcher()
        .feed(Buffer.from([0xc3, 0xa9, 0xc3, 0xa9, 0xff])),
    ).toBe("matched");
  });

  test.each([
    ["", "it is empty"],
    ["a".repeat(501), "longer than 500"],
    ["a$", "a reply has no end"],
    ["(a", "a ) is missing"],
    ["a)", "there is no ( for the )"],
    ["[a", "a ] is missing"],
    ["[b-a]", "from a lower to a higher"],
    ["[é]", "ASCII and \\xNN only"],
    ["*a", "nothing that * repeats"],
    ["a**", "nothing that the second * repeats"],
    ["a{,2}", "must be followed by a number"],
    ["a{300}", "from 0 to 200"],
    ["a{3,2}", "from 0 to 200"],
    ["(a)\\1", "\\1 is not known here"],
    ["(?=a)", "there is only (?:"],
    ["\\xg0", "\\x is not known here"],
    ["a\\", "is not known here"],
    ["((a{100}){100}){100}", "too large"],
  ])("refuses %s", (pattern, problem) => {
    const result = BytePattern.compile(pattern);
    expect(result.ok ? "" : result.problem).toContain(problem);
  });

  test("answers for every source, and never throws", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40 }), (text) => {
        const result = BytePattern.compile(text);
        if (result.ok) result.pattern.matcher().feed(Buffer.from(text));
        else expect(result.problem).not.toBe("");
      }),
      { numRuns: 1_000 },
    );
  });
});
