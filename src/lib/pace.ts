// Takes values that may come faster than is useful: runs the latest of them, at a bounded rate.
import type { Cancel, Clock } from "./clock.ts";

/** Runs follow each other at this distance on the long average: 20 in a second. */
const SPACE_MS = 50;
/** After a quiet time this much of the distance is not asked for: 20 runs may come at once. */
const CREDIT_MS = 1_000;
/** A run that takes long asks for this many times its length, so that others have nine tenths of the time. */
const COST_FACTOR = 10;

/** Runs what is offered at once while that is seldom; of what comes too fast only the latest, as soon as it is its turn. */
export class Pace {
  readonly #clock: Clock;
  #nextMs = Number.NEGATIVE_INFINITY;
  #waiting: (() => void) | undefined;
  #cancel: Cancel | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs it now or later; what waited before is forgotten. */
  offer(run: () => void): void {
    if (this.#waiting !== undefined) {
      this.#waiting = run;
      return;
    }
    const nowMs = this.#clock.now();
    const waitMs = this.#nextMs - CREDIT_MS + SPACE_MS - nowMs;
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
    this.#nextMs = Math.max(this.#nextMs, startMs) + Math.max(SPACE_MS, costMs);
  }
}
