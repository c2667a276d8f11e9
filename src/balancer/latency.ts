// How long endpoints let clients wait: one estimate for each, quick to rise and slow to fall. Of one worker alone:
// loads are shared between workers, latencies are not.
import type { Clock } from "../lib/clock.ts";

/** Below this latencies count as equal: what scheduling and a loaded machine add at random. */
const FLOOR_MS = 1;
/**
 * Picks by one reading of the clock, where no observation brings one: reading it takes 37 ns (Bun 1.4.5), a fifth of a
 * pick. Estimates change in seconds.
 */
const PICKS_PER_READING = 16;
/** No single wait says more: else one long silence would keep an endpoint out for minutes. */
const CEILING_MS = 60_000;

/** An endpoint's estimate. */
export interface Latency {
  ms: number;
  /** When it was made. */
  atMs: number;
}

/** What has a latency. */
export interface Timed {
  /** Owned by `Latencies`; undefined while nothing was observed. */
  latency: Latency | undefined;
}

/**
 * Peak EWMA: an observation above the estimate replaces it, one below draws it down the more the older it is.
 *
 * An estimate that is not renewed drifts to what is usual among the endpoints, and one that nothing is known of counts as
 * usual: an endpoint that was slow is tried again after a while, and a new one is neither flooded nor shunned. Drifting to 0
 * instead would make the endpoint that was idle the longest the best of all, whatever its load.
 */
export class Latencies {
  readonly #clock: Clock;
  readonly #decayMs: number;
  /** The usual: an average of the estimates over time. */
  readonly #usual: Latency = { ms: 0, atMs: Number.NEGATIVE_INFINITY };

  /** @param decayMs after this time without observations 37 % of an estimate's distance from the usual are left; > 0 */
  /** The time that picks go by: the latest reading of the clock. */
  #pickMs = 0;
  #picksLeft = 0;

  constructor(clock: Clock, decayMs: number) {
    this.#clock = clock;
    this.#decayMs = decayMs;
  }

  /** How many times the estimate of `first` is that of `second`, > 0; of about now. */
  ratio(first: Timed, second: Timed): number {
    if (this.#picksLeft === 0) {
      this.#picksLeft = PICKS_PER_READING;
      this.#pickMs = this.#clock.now();
    }
    this.#picksLeft -= 1;
    return this.of(first, this.#pickMs) / this.of(second, this.#pickMs);
  }

  /** An endpoint has let somebody wait for `ms`. */
  observe(endpoint: Timed, ms: number): void {
    const nowMs = this.#clock.now();
    this.#pickMs = nowMs;
    const capped = Math.min(ms, CEILING_MS);
    const known = endpoint.latency;
    if (known === undefined) endpoint.latency = { ms: capped, atMs: nowMs };
    else {
      known.ms = Math.max(capped, mean(known.ms, capped, this.#left(nowMs - known.atMs)));
      known.atMs = nowMs;
    }
    const usual = this.#usual;
    usual.ms = mean(usual.ms, endpoint.latency?.ms ?? capped, this.#left(nowMs - usual.atMs));
    usual.atMs = nowMs;
  }

  /**
   * An endpoint could not be reached, which took `ms`. To be refused is quick: so that what fails fast does not look like
   * the best, a failure counts as a wait of at least twice the estimate.
   */
  failed(endpoint: Timed, ms: number): void {
    this.observe(endpoint, Math.max(ms, 2 * this.of(endpoint, this.#clock.now())));
  }

  /** The estimate in milliseconds, > 0. */
  of({ latency }: Timed, nowMs: number): number {
    const usualMs = this.#usual.ms;
    if (latency === undefined) return Math.max(FLOOR_MS, usualMs);
    return Math.max(FLOOR_MS, mean(latency.ms, usualMs, this.#left(nowMs - latency.atMs)));
  }

  /** The part that is left of an estimate of some age. */
  #left(ageMs: number): number {
    return Math.exp(-ageMs / this.#decayMs);
  }
}

function mean(old: number, fresh: number, left: number): number {
  return old * left + fresh * (1 - left);
}
