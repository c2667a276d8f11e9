import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { editDistance, suggest } from "./suggest.ts";

const KEYS = ["port", "ip", "dstName", "connectTimeoutMs", "connectionLifetimeSecs"];

describe("suggest()", () => {
  test.each([
    ["prot", "port"],
    ["Port", "port"],
    ["dstname", "dstName"],
    ["conectTimeout", "connectTimeoutMs"],
    ["connectionLifeTimeSec", "connectionLifetimeSecs"],
  ])("finds for %p %p", (word, expected) => expect(suggest(word, KEYS)).toBe(expected));

  test.each(["x", "", "banana", "p".repeat(10_000)])("finds nothing for %p", (word) =>
    expect(suggest(word, KEYS)).toBeUndefined(),
  );
});

describe("editDistance()", () => {
  test("is 0 for equal words, 1 for a swap of neighbours, symmetric, and never more than the longer word", () => {
    expect(editDistance("port", "prot")).toBe(1);
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
