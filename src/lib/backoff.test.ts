import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Backoff } from "./backoff.ts";
import { seededRng } from "./rng.ts";

const LIMITS = { baseMs: 100, maxMs: 1_000 };
const never = { next: () => 0 };
const almostOne = { next: () => 1 - 2 ** -32 };

describe("Backoff", () => {
  test("doubles its waits up to the limit", () => {
    const backoff = new Backoff(LIMITS, never);
    const waits = Array.from({ length: 6 }, () => backoff.next());
    expect(waits).toEqual([50, 100, 200, 400, 500, 500]);
  });

  test("never waits longer than the limit", () => {
    const backoff = new Backoff(LIMITS, almostOne);
    const waits = Array.from({ length: 40 }, () => backoff.next());
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_000);
  });

  test("starts again from the first wait after a reset", () => {
    const backoff = new Backoff(LIMITS, never);
    backoff.next();
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(50);
  });

  test("draws each wait from the upper half of its ceiling, whatever the limits and the chance", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 1, max: 1e6, noNaN: true }),
        fc.double({ min: 1, max: 1e6, noNaN: true }),
        (seed, baseMs, factor) => {
          const maxMs = baseMs * factor;
          const backoff = new Backoff({ baseMs, maxMs }, seededRng(seed));
          for (let n = 0; n < 30; n++) {
            const ceiling = Math.min(baseMs * 2 ** n, maxMs);
            const wait = backoff.next();
            expect(wait).toBeGreaterThanOrEqual(ceiling / 2);
            expect(wait).toBeLessThanOrEqual(ceiling);
          }
        },
      ),
    );
  });

  test("two clients with different chances do not wait alike", () => {
    const [a, b] = [new Backoff(LIMITS, seededRng(1)), new Backoff(LIMITS, seededRng(2))];
    expect(a.next()).not.toBe(b.next());
  });
});
