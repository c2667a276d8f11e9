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

  constructor({ perSec, burst }: Rate) {
    this.#intervalMs = 1000 / perSec;
    this.#toleranceMs = (burst - 1) * this.#intervalMs + ROUNDING_MS;
  }

  /** Whether one more may pass at `nowMs`. A bucket begins with `fullAtMs` 0. */
  allows(fullAtMs: number, nowMs: number): boolean {
    return fullAtMs - nowMs <= this.#toleranceMs;
  }

  /** `fullAtMs` once one has passed. */
  taken(fullAtMs: number, nowMs: number): number {
    return (fullAtMs > nowMs ? fullAtMs : nowMs) + this.#intervalMs;
  }
}
