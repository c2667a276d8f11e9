import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TokenBucket } from "./token-bucket.ts";

/** When connections that come at `times` are let through. */
function passed(bucket: TokenBucket, times: readonly number[]): number[] {
  let fullAtMs = 0;
  return times.filter((nowMs) => {
    if (!bucket.allows(fullAtMs, nowMs)) {
      fullAtMs = bucket.refused(fullAtMs, nowMs);
      return false;
    }
    fullAtMs = bucket.taken(fullAtMs, nowMs);
    return true;
  });
}

describe("TokenBucket", () => {
  test("lets a burst through, and then as many as the rate allows", () => {
    const bucket = new TokenBucket({ perSec: 10, burst: 3 });
    const times = [1000, 1000, 1000, 1000, 1099, 1100, 1100, 1199, 1200, 5000, 5000, 5000, 5000];
    expect(passed(bucket, times)).toEqual([1000, 1000, 1000, 1100, 1200, 5000, 5000, 5000]);
  });

  test("lets one through where a burst of one is less than a second's worth", () => {
    const bucket = new TokenBucket({ perSec: 0.5, burst: 1 });
    expect(passed(bucket, [0, 1, 1999, 2000, 2001, 4000])).toEqual([0, 2000, 4000]);
  });

  test("never lets more through in any span than the burst and the rate's share, nor less than it may", () => {
    const steps = fc.array(fc.nat(300), { minLength: 1, maxLength: 200 });
    const rate = fc.record({
      perSec: fc.double({ min: 0.1, max: 1000, noNaN: true }),
      burst: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(rate, steps, fc.nat(2 ** 31), (limits, gaps, startMs) => {
        let nowMs = startMs;
        const times = gaps.map((gap) => (nowMs += gap));
        const through = passed(new TokenBucket(limits), times);
        for (let from = 0; from < through.length; from += 1) {
          for (let to = from; to < through.length; to += 1) {
            const spanMs = (through[to] ?? 0) - (through[from] ?? 0);
            const most = limits.burst + (spanMs * limits.perSec) / 1000 + 1e-3;
            expect(to - from + 1).toBeLessThanOrEqual(most);
          }
        }
        expect(through.length).toBeGreaterThanOrEqual(Math.min(limits.burst, times.length));
      }),
    );
  });
});
