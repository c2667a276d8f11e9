import { expect, test } from "bun:test";
import fc from "fast-check";
import { shareOf } from "./share.ts";

test("shareOf() divides a limit so that the shares add up to it and differ by one at most", () => {
  fc.assert(
    fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 64 }), (total, workers) => {
      const shares = Array.from({ length: workers }, (_, index) => shareOf(total, index, workers));
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(total);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }),
  );
});

test("shareOf() leaves what is unlimited unlimited", () => {
  expect(shareOf(Number.POSITIVE_INFINITY, 1, 2)).toBe(Number.POSITIVE_INFINITY);
});
