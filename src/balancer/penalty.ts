// How long an endpoint stays out: longer after each ejection that no success has followed, where that was asked for.
import type { BackoffConfig } from "../config/accrual-types.ts";
import type { Rng } from "../lib/rng.ts";

/**
 * The next penalty, in milliseconds.
 *
 * - `constant`: always the same.
 * - `equalJittered` (linkerd's own): `minMs` first, then from m up to 2 m, where m is `minMs` doubled each round.
 * - `jittered` (linkerd's configurable one, decorrelated): `minMs` first, then from the last one up to three times it.
 *
 * No penalty is longer than `maxMs`.
 *
 * @param round how many penalties have gone before, 0 or more
 * @param lastMs the one before; any number in round 0
 */
export function penaltyMs(backoff: BackoffConfig, round: number, lastMs: number, rng: Rng): number {
  switch (backoff.kind) {
    case "constant":
      return backoff.ms;
    case "equalJittered": {
      const { minMs, maxMs } = backoff;
      if (round === 0) return minMs;
      const leastMs = Math.min(minMs * 2 ** (round - 1), maxMs);
      return Math.min(leastMs * (1 + rng.next()), maxMs);
    }
    case "jittered": {
      const { minMs, maxMs } = backoff;
      if (round === 0) return minMs;
      const most = Math.min(lastMs * 3, maxMs);
      return Math.min(lastMs + rng.next() * (most - lastMs), maxMs);
    }
    default:
      return backoff satisfies never;
  }
}
