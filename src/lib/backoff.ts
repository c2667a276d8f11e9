// How long to wait before trying again: longer after each failure in a row, and never in step with others.
import type { Rng } from "./rng.ts";

/** Bounds of the waits. */
export interface BackoffLimits {
  /** Longest first wait, in milliseconds; more than 0. */
  readonly baseMs: number;
  /** Longest wait of all, in milliseconds; `baseMs` or more. */
  readonly maxMs: number;
}

/**
 * Waits that double from `baseMs` to `maxMs`, each drawn from its upper half: long enough to spare the other side,
 * spread enough that many clients of a server that failed do not come back at the same moment.
 */
export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #rng: Rng;
  #ceilingMs: number;

  constructor(limits: BackoffLimits, rng: Rng) {
    this.#limits = limits;
    this.#rng = rng;
    this.#ceilingMs = limits.baseMs;
  }

  /** The wait before the next attempt, in milliseconds: from half of the current ceiling up to all of it. */
  next(): number {
    const ceilingMs = Math.min(this.#ceilingMs, this.#limits.maxMs);
    this.#ceilingMs = Math.min(ceilingMs * 2, this.#limits.maxMs);
    return (ceilingMs * (1 + this.#rng.next())) / 2;
  }

  /** Starts again from `baseMs`: an attempt went well. */
  reset(): void {
    this.#ceilingMs = this.#limits.baseMs;
  }
}
