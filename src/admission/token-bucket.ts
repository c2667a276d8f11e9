// A rate with a burst, kept as one number in shared memory: the moment at which the bucket is full again (the "theoretical
// arrival time" of GCRA, ITU-T I.371). Needs no timer, and says itself when it has nothing to tell any more.

/** How many a second, and how many at once after a rest. Both are above 0. */
export interface Rate {
  readonly perSec: number;
  readonly burst: number;
}

/** Rounding of milliseconds since the start of the machine: a few 1e-8 after years. */
const ROUNDING_MS = 1e-6;

/** In any span of t seconds at most `burst` + t × `perSec` are let through. */
export class TokenBucket {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  readonly #emptyMs: number;

  constructor({ perSec, burst }: Rate) {
    this.#intervalMs = 1000 / perSec;
    this.#toleranceMs = (burst - 1) * this.#intervalMs + ROUNDING_MS;
    this.#emptyMs = burst * this.#intervalMs;
  }

  /** Whether one more may pass at `nowMs`. A bucket begins with `fullAtMs` 0. */
  allows(fullAtMs: number, nowMs: number): boolean {
    return fullAtMs - nowMs <= this.#toleranceMs;
  }

  /**
   * `fullAtMs` of a bucket that lets nobody pass: no later than that of an empty one. It is later where the rate was lower
   * before; without this a higher one would be felt only when the debt of the lower is over.
   */
  refused(fullAtMs: number, nowMs: number): number {
    return Math.min(fullAtMs, nowMs + this.#emptyMs);
  }

  /** `fullAtMs` once one has passed. */
  taken(fullAtMs: number, nowMs: number): number {
    return (fullAtMs > nowMs ? fullAtMs : nowMs) + this.#intervalMs;
  }
}
