// Takes values that may come faster than is useful: runs the latest of them, at a bounded rate.
import type { Cancel, Clock } from "./clock.ts";

/** How fast runs may follow each other. */
export interface PaceLimits {
  /** Distance between runs on the long average. */
  readonly spaceMs: number;
  /** After a quiet time this much of the distance is not asked for: so many runs may come at once. */
  readonly creditMs: number;
}

/** 20 runs in a second, and 20 at once. */
const LIVELY: PaceLimits = { spaceMs: 50, creditMs: 1_000 };
/** A run that takes long asks for this many times its length, so that others have nine tenths of the time. */
const COST_FACTOR = 10;

/** Runs what is offered at once while that is seldom; of what comes too fast only the latest, as soon as it is its turn. */
export class Pace {
  readonly #clock: Clock;
  readonly #limits: PaceLimits;
  #nextMs = Number.NEGATIVE_INFINITY;
  #waiting: (() => void) | undefined;
  #cancel: Cancel | undefined;

  constructor(clock: Clock, limits: PaceLimits = LIVELY) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Runs it now or later; what waited before is forgotten. */
  offer(run: () => void): void {
    if (this.#waiting !== undefined) {
      this.#waiting = run;
      return;
    }
    const nowMs = this.#clock.now();
    const { spaceMs, creditMs } = this.#limits;
    const waitMs = this.#nextMs - creditMs + spaceMs - nowMs;
    if (waitMs <= 0) return this.#run(run);
    this.#waiting = run;
    this.#cancel = this.#clock.after(waitMs, () => this.flush());
  }

  /** Runs what waits, now. */
  flush(): void {
    const run = this.#waiting;
    this.drop();
    if (run !== undefined) this.#run(run);
  }

  /** Forgets what waits. */
  drop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting = undefined;
  }

  #run(run: () => void): void {
    const startMs = this.#clock.now();
    run();
    const costMs = (this.#clock.now() - startMs) * COST_FACTOR;
    this.#nextMs = Math.max(this.#nextMs, startMs) + Math.max(this.#limits.spaceMs, costMs);
  }
}
