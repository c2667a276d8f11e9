// Settings about failing endpoints, for tests that make them by hand.
import type { AccrualConfig } from "../../src/config/accrual-types.ts";

/** Ejects after `failures` in a row, always for `ms`, and up to all but the last of the endpoints. */
export function afterFailures(
  failures: number,
  ms = 1_000,
  more: Partial<AccrualConfig> = {},
): AccrualConfig {
  return {
    rule: { kind: "consecutiveFailures", failures },
    backoff: { kind: "constant", ms },
    maxEjectedPercent: 100,
    dryRun: false,
    ...more,
  };
}

/** Neither slow start nor a threshold of panic. */
export const AT_ONCE = {
  slowStart: { windowMs: 0, minShare: 0.1 },
  panicThresholdPercent: 0,
} as const;
