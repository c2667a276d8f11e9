import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { BackoffConfig } from "../config/accrual-types.ts";
import { seededRng } from "../lib/rng.ts";
import { penaltyMs } from "./penalty.ts";

function penalties(backoff: BackoffConfig, count: number, seed: number): readonly number[] {
  const rng = seededRng(seed);
  const all: number[] = [];
  for (let round = 0; round < count; round += 1)
    all.push(penaltyMs(backoff, round, all.at(-1) ?? 0, rng));
  return all;
}

const limits = fc
  .tuple(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 0, max: 1_000_000 }))
  .map(([minMs, more]) => ({ minMs, maxMs: minMs + more }));

describe("Penalties", () => {
  test("that are constant are always the same", () => {
    expect(penalties({ kind: "constant", ms: 60_000 }, 3, 1)).toEqual([60_000, 60_000, 60_000]);
  });

  test("of linkerd's own backoff begin at 5 s, and lie between a bound that doubles and twice it, up to 300 s", () => {
    for (let seed = 0; seed < 100; seed += 1) {
      const all = penalties({ kind: "equalJittered", minMs: 5_000, maxMs: 300_000 }, 12, seed);
      expect(all[0]).toBe(5_000);
      for (const [round, ms] of all.slice(1, 6).entries())
        expect(ms).toBeWithin(5_000 * 2 ** round, 10_000 * 2 ** round);
      for (const ms of all.slice(7)) expect(ms).toBe(300_000);
    }
  });

  test("of the decorrelated backoff lie between the last one and three times it", () => {
    fc.assert(
      fc.property(limits, fc.nat(), ({ minMs, maxMs }, seed) => {
        const all = penalties({ kind: "jittered", minMs, maxMs }, 20, seed);
        expect(all[0]).toBe(minMs);
        for (const [index, ms] of all.slice(1).entries()) {
          const last = all[index] ?? 0;
          expect(ms).toBeGreaterThanOrEqual(last);
          expect(ms).toBeLessThanOrEqual(Math.min(3 * last, maxMs));
        }
      }),
    );
  });

  test("are never longer than allowed, nor shorter, in any round", () => {
    const kind = fc.constantFrom("jittered", "equalJittered");
    fc.assert(
      fc.property(kind, limits, fc.nat(), (name, { minMs, maxMs }, seed) => {
        for (const ms of penalties({ kind: name, minMs, maxMs }, 1_100, seed)) {
          expect(ms >= minMs && ms <= maxMs).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });
});
