import { describe, expect, test } from "bun:test";
import { chanceOf, hashAddress, hashText, mix } from "./hash.ts";

describe("hashText()", () => {
  test("stays what it is: clients keep their endpoints when the program is updated", () => {
    expect([hashText(""), hashText("10.0.0.1:80"), hashText("10.0.0.1:80", 1)]).toEqual([
      2872998923, 3629747543, 3614858247,
    ]);
  });

  test("spreads addresses that are neighbours evenly", () => {
    const counts = Array.from({ length: 64 }, () => 0);
    for (let i = 0; i < 64_000; i += 1) {
      const bucket = hashText(`10.0.${i >> 8}.${i & 255}`) >>> 26;
      counts[bucket] = (counts[bucket] ?? 0) + 1;
    }
    // 1,000 in each; five standard errors are 158.
    expect(Math.min(...counts)).toBeGreaterThan(842);
    expect(Math.max(...counts)).toBeLessThan(1_158);
  });
});

describe("hashAddress()", () => {
  test("knows an IPv4 client again behind a socket of IPv6", () => {
    expect(hashAddress("::ffff:192.0.2.1")).toBe(hashAddress("192.0.2.1"));
    expect(hashAddress("::1")).not.toBe(hashAddress("1"));
  });
});

describe("chanceOf()", () => {
  test("is evenly spread in (0, 1], and independent of each of its arguments", () => {
    for (const of of [
      (i: number) => chanceOf(i, 1, 2),
      (i: number) => chanceOf(1, i, 2),
      (i: number) => chanceOf(1, 2, i),
    ]) {
      const values = Array.from({ length: 10_000 }, (_, i) => of(i));
      expect(values.every((value) => value > 0 && value <= 1)).toBe(true);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(mean).toBeWithin(0.485, 0.515);
    }
  });
});

describe("mix()", () => {
  test("maps one to one", () => {
    expect(new Set(Array.from({ length: 100_000 }, (_, i) => mix(i))).size).toBe(100_000);
  });
});
