import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RetryBudget } from "./retry-budget.ts";

const LINKERD = { minRetriesPerSec: 10, percentCanRetry: 0.2, ttlMs: 10_000 };

/** Takes all tokens there are; how many these were. */
function takeAll(budget: RetryBudget, nowMs: number): number {
  let taken = 0;
  while (taken < 10_000 && budget.withdraw(nowMs)) taken += 1;
  return taken;
}

function deposit(budget: RetryBudget, nowMs: number, connections: number): void {
  for (let count = 0; count < connections; count += 1) budget.deposit(nowMs);
}

describe("RetryBudget", () => {
  test("has a second's worth of the minimum rate to begin with, and one token for five connections", () => {
    const budget = new RetryBudget(LINKERD, 0);
    expect(takeAll(budget, 0)).toBe(10);
    deposit(budget, 0, 4);
    expect(takeAll(budget, 0)).toBe(0);
    deposit(budget, 0, 1);
    expect(takeAll(budget, 0)).toBe(1);
  });

  test("gets tokens evenly at the minimum rate, and keeps those of one second", () => {
    const budget = new RetryBudget(LINKERD, 0);
    takeAll(budget, 0);
    const came = Array.from({ length: 10 }, (_, turn) => takeAll(budget, (turn + 1) * 100));
    expect(came).toEqual(Array.from({ length: 10 }, () => 1));
    expect(takeAll(budget, 60_000)).toBe(10);
  });

  test("counts a connection for the time to live, and no longer", () => {
    const budget = new RetryBudget({ ...LINKERD, minRetriesPerSec: 0 }, 0);
    deposit(budget, 500, 50);
    expect(budget.balance(9_999)).toBeCloseTo(10, 3);
    expect(takeAll(budget, 9_999)).toBe(10);
    deposit(budget, 20_500, 50);
    expect(takeAll(budget, 30_500)).toBe(0);
    expect(budget.isAtRest(30_500)).toBe(true);
  });

  test("takes what is lost the soonest: of the minimum rate, then of old connections", () => {
    const budget = new RetryBudget({ ...LINKERD, minRetriesPerSec: 1 }, 0);
    deposit(budget, 0, 5);
    deposit(budget, 5_000, 5);
    expect([budget.withdraw(5_000), budget.withdraw(5_000)]).toEqual([true, true]);
    // What is left came at 5,000; the reserve has filled up meanwhile.
    expect(takeAll(budget, 14_000)).toBe(2);
  });

  test("says how long it takes until there is a token", () => {
    const budget = new RetryBudget(LINKERD, 0);
    expect(budget.waitMs(0)).toBe(0);
    takeAll(budget, 0);
    expect(budget.waitMs(0)).toBeCloseTo(100, 2);
    budget.deposit(0);
    expect(budget.waitMs(40)).toBeCloseTo(40, 2);
    const never = new RetryBudget({ ...LINKERD, minRetriesPerSec: 0 }, 0);
    expect(never.waitMs(0)).toBe(Number.POSITIVE_INFINITY);
  });

  test("comes to a whole token also where a worker's share of the rate is a fraction", () => {
    const budget = new RetryBudget({ ...LINKERD, minRetriesPerSec: 0.25 }, 0);
    expect(takeAll(budget, 0)).toBe(1);
    expect(budget.withdraw(3_900)).toBe(false);
    expect(budget.withdraw(4_000)).toBe(true);
  });

  test("has a token again that is given back", () => {
    const budget = new RetryBudget({ ...LINKERD, percentCanRetry: 0 }, 0);
    takeAll(budget, 0);
    budget.giveBack(0);
    expect(takeAll(budget, 0)).toBe(1);
  });

  test("has no more for a token that is given back late than if it had not been taken", () => {
    const budget = new RetryBudget(LINKERD, 0);
    deposit(budget, 0, 5);
    expect(takeAll(budget, 0)).toBe(11);
    // The reserve is full again; what came of connections comes back, and is lost when it would have been.
    for (let token = 0; token < 11; token += 1) budget.giveBack(2_000);
    expect(budget.balance(2_000)).toBeCloseTo(11, 3);
    expect(budget.balance(12_000)).toBeCloseTo(10, 3);
    budget.giveBack(12_000);
    expect(budget.balance(12_000)).toBeCloseTo(10, 3);
  });

  test("bounds retries in any window by the rate, and by the connections of it and of the time to live before", () => {
    const step = fc.record({
      pauseMs: fc.oneof(fc.constant(0), fc.nat(30), fc.nat(15_000)),
      connections: fc.nat(20),
      retries: fc.nat(30),
    });
    const settings = fc.record({
      minRetriesPerSec: fc.constantFrom(0, 0.5, 3, 10),
      percentCanRetry: fc.constantFrom(0, 0.2, 1, 3.3),
      ttlMs: fc.constantFrom(1_000, 10_000),
    });
    fc.assert(
      fc.property(settings, fc.array(step, { maxLength: 40 }), (bounds, steps) => {
        const budget = new RetryBudget(bounds, 0);
        const log: { atMs: number; connections: number; retries: number }[] = [];
        let atMs = 0;
        for (const { pauseMs, connections, retries } of steps) {
          atMs += pauseMs;
          deposit(budget, atMs, connections);
          let made = 0;
          while (made < retries && budget.withdraw(atMs)) made += 1;
          log.push({ atMs, connections, retries: made });
        }
        const { minRetriesPerSec: rate, percentCanRetry, ttlMs } = bounds;
        for (const [first, { atMs: fromMs }] of log.entries()) {
          let retries = 0;
          for (const { atMs: toMs, retries: more } of log.slice(first)) {
            retries += more;
            const counted = log.filter(
              (entry) => entry.atMs > fromMs - ttlMs && entry.atMs <= toMs,
            );
            const deposits = counted.reduce((sum, { connections }) => sum + connections, 0);
            const reserve = rate > 0 ? Math.max(1, rate) : 0;
            const bound = (rate * (toMs - fromMs)) / 1000 + reserve + percentCanRetry * deposits;
            expect(retries).toBeLessThanOrEqual(bound + 1e-3);
          }
        }
      }),
    );
  });
});
