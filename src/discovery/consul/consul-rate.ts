// How often one name may be asked for: a few times in a row, then at an even rate.
import type { Clock } from "../../lib/clock.ts";

/** So many queries after an answer need not wait: changes are followed as they come. */
export const BURST = 10;
/** One more query is allowed after each of these; what changes faster is seen as often as this. */
export const REFILL_MS = 1_000;

/**
 * A token bucket. Consul's documentation asks for one: a query that should be held back may be answered at once, be it that
 * the service changes all the time or that Consul has lost count.
 */
export class QueryRate {
  readonly #clock: Clock;
  #tokens = BURST;
  #atMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atMs = clock.now();
  }

  /** Takes the right to one query; gives how many milliseconds from now it may be sent. */
  take(): number {
    const nowMs = this.#clock.now();
    const refill = (nowMs - this.#atMs) / REFILL_MS;
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#tokens + refill, BURST) - 1;
    return Math.max(0, -this.#tokens * REFILL_MS);
  }
}
