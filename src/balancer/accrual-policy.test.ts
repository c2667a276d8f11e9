import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createPolicy, type Tally } from "./accrual-policy.ts";
import type { AccrualRule } from "../config/accrual-types.ts";

function tallyOf(rule: AccrualRule): Tally {
  const policy = createPolicy(rule);
  if (policy === undefined) throw new Error("no policy");
  return policy.make();
}

/** Outcomes from a text, `.` for a success and `x` for a failure, one every `everyMs`; the verdicts of the failures. */
function verdicts(tally: Tally, outcomes: string, everyMs = 0, startMs = 0): readonly boolean[] {
  const found: boolean[] = [];
  [...outcomes].forEach((outcome, index) => {
    const nowMs = startMs + index * everyMs;
    if (outcome === ".") tally.succeeded(nowMs);
    else found.push(tally.failed(nowMs));
  });
  return found;
}

describe("none", () => {
  test("is no policy at all", () => {
    expect(createPolicy({ kind: "none" })).toBeUndefined();
  });
});

describe("consecutiveFailures", () => {
  const rule = { kind: "consecutiveFailures", failures: 3 } as const;

  test("has too many from the third failure in a row on, and forgets them all with a success", () => {
    expect(verdicts(tallyOf(rule), "xxxx.xx.xxx")).toEqual([
      ...[false, false, true, true],
      ...[false, false],
      ...[false, false, true],
    ]);
  });

  test("need not be told of successes of endpoints that do not fail", () => {
    expect(createPolicy(rule)?.countsSuccesses).toBe(false);
    expect(
      createPolicy({ kind: "successRate", successRate: 1, requests: 1 })?.countsSuccesses,
    ).toBe(true);
  });
});

describe("successRate", () => {
  test("says nothing before as many outcomes as it averages over", () => {
    const tally = tallyOf({ kind: "successRate", successRate: 0.9, requests: 10 });
    expect(verdicts(tally, "x".repeat(12))).toEqual([
      ...Array.from({ length: 9 }, () => false),
      ...[true, true, true],
    ]);
  });

  test("has the rate of Finagle's moving average, whose clock counts outcomes", () => {
    // After nine successes each failure leaves e^(-1/10) of the rate: 0.905, 0.819, 0.741.
    const of = (least: number) =>
      verdicts(tallyOf({ kind: "successRate", successRate: least, requests: 10 }), ".........xxx");
    expect(of(0.9)).toEqual([false, true, true]);
    expect(of(0.8)).toEqual([false, false, true]);
    expect(of(0.7)).toEqual([false, false, false]);
  });

  test("is below any rate that is clearly above the one that there is, and above any that is clearly below", () => {
    const outcomes = Array.from({ length: 400 }, (_, i) => (i % 4 === 3 ? "x" : ".")).join("");
    const last = (least: number) =>
      verdicts(tallyOf({ kind: "successRate", successRate: least, requests: 50 }), outcomes).at(-1);
    expect([last(0.8), last(0.7)]).toEqual([true, false]);
  });

  test("never ejects an endpoint that only succeeds, nor one of which nothing is asked", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.string(), (requests, text) => {
        const outcomes = text.replaceAll(/./gsu, (char) => (char < "m" ? "." : "x"));
        const tally = tallyOf({ kind: "successRate", successRate: 0, requests });
        expect(verdicts(tally, outcomes)).not.toContain(true);
      }),
    );
  });
});

describe("successRateWindowed", () => {
  const rule = { kind: "successRateWindowed", successRate: 0.5, windowMs: 10_000 } as const;

  test("says nothing before its window is over", () => {
    const found = verdicts(tallyOf(rule), "x".repeat(13), 1_000);
    expect(found.indexOf(true)).toBe(10);
  });

  test("says nothing with fewer than five outcomes in its window", () => {
    expect(verdicts(tallyOf(rule), "x".repeat(20), 2_501)).not.toContain(true);
    expect(verdicts(tallyOf(rule), "x".repeat(20), 2_500)).toContain(true);
  });

  test("has the rate of Finagle's moving average, whose clock is time", () => {
    // Each second without a success leaves e^(-1/10) of the rate: below 0.5 with the seventh failure.
    const found = verdicts(tallyOf(rule), `${".".repeat(11)}${"x".repeat(8)}`, 1_000);
    expect(found.indexOf(true)).toBe(6);
  });

  test("forgives failures that are long past", () => {
    const tally = tallyOf(rule);
    verdicts(tally, "x".repeat(30), 1_000);
    expect(verdicts(tally, `${".".repeat(20)}x`, 1_000, 30_000)).toEqual([false]);
  });
});

test("A tally says in words what it has counted", () => {
  const row = tallyOf({ kind: "consecutiveFailures", failures: 2 });
  const rate = tallyOf({ kind: "successRate", successRate: 0.5, requests: 2 });
  const windowed = tallyOf({ kind: "successRateWindowed", successRate: 0.5, windowMs: 1_500 });
  for (const tally of [row, rate, windowed]) verdicts(tally, "xx");
  expect([row, rate, windowed].map((tally) => tally.describe())).toEqual([
    "2 in a row",
    "success rate 0.00 of 2",
    "success rate 0.00 in 1.5 s",
  ]);
});
