import { describe, expect, test } from "bun:test";
import { afterFailures, AT_ONCE } from "../../test/support/accrual-config.ts";
import type { AccrualConfig } from "../config/accrual-types.ts";
import { clientFor } from "../config/client-for.ts";
import { describeAccrual } from "./describe-accrual.ts";

const GROWING = { kind: "equalJittered", minMs: 5_000, maxMs: 300_000 } as const;

function clauses(accrual: Partial<AccrualConfig>, more = {}): readonly string[] {
  const all = { ...afterFailures(2), ...accrual };
  return describeAccrual({ ...clientFor([], "/svc"), ...AT_ONCE, accrual: all, ...more });
}

describe("describeAccrual()", () => {
  test("says when endpoints are out, and for how long", () => {
    expect(clauses({})).toEqual(["out for 1 s after 2 failures"]);
    expect(clauses({ backoff: GROWING })).toEqual(["out for 5 s to 300 s after 2 failures"]);
    expect(clauses({ rule: { kind: "none" } })).toEqual(["never out for failures"]);
    const rate = { kind: "successRate", successRate: 0.995, requests: 100 } as const;
    expect(clauses({ rule: rate, dryRun: true })).toEqual([
      "as a dry run out for 1 s below 99.5 % success of 100 connections",
    ]);
    const windowed = { kind: "successRateWindowed", successRate: 0.5, windowMs: 30_000 } as const;
    expect(clauses({ rule: windowed })).toEqual(["out for 1 s below 50 % success in 30 s"]);
  });

  test("says how endpoints begin, and when health is ignored", () => {
    const more = { slowStart: { windowMs: 500, minShare: 0.1 }, panicThresholdPercent: 30 };
    expect(clauses({}, more).slice(1)).toEqual(["slow start over 500 ms", "panic below 30 %"]);
  });
});
