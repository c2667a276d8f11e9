// The load of all endpoints of a picker, about: loads change unannounced, and adding them up for each pick costs too much.
import type { Clock } from "../lib/clock.ts";
import type { HashOrder } from "./hash-order.ts";
import type { Located } from "./picker.ts";

/** Picks by one sum, for each endpoint: makes 16 additions a pick. */
const PICKS_PER_ENDPOINT = 1 / 16;
/** The same where picks are rare. */
const LONGEST_AGE_MS = 100;

/**
 * The sum of all loads as it was a sixteenth of a pick for each endpoint ago, and no longer than 100 ms, plus the picks
 * since. Off by less than a sixteenth of a connection for each endpoint and worker, and by what has ended meanwhile.
 */
export class TotalLoad {
  readonly #order: HashOrder<Located>;
  readonly #clock: Clock;
  #sum = 0;
  #picksLeft = 0;
  #summedMs = 0;

  constructor(order: HashOrder<Located>, clock: Clock) {
    this.#order = order;
    this.#clock = clock;
  }

  /** The load now, to be asked once for each pick: it counts as one more from then on. */
  next(): number {
    const nowMs = this.#clock.now();
    if (this.#picksLeft <= 0 || nowMs - this.#summedMs > LONGEST_AGE_MS) {
      this.#sum = this.#order.load();
      this.#picksLeft = this.#order.size * PICKS_PER_ENDPOINT;
      this.#summedMs = nowMs;
    }
    this.#picksLeft -= 1;
    const sum = this.#sum;
    this.#sum += 1;
    return sum;
  }

  /** An endpoint with this load has come, or, when below 0, gone. */
  change(load: number): void {
    this.#sum = Math.max(0, this.#sum + load);
  }
}
