// Deadlines of connections' lives. Those of one length stand in a list, so a life that is drawn is one of some lengths.
import type { Clock } from "../lib/clock.ts";
import { type Deadline, DeadlineQueue, type DeadlineRunner } from "../lib/deadlines.ts";
import type { Rng } from "../lib/rng.ts";

/** Connections that began in one instant end at so many different ones. */
const LENGTHS = 64;

export class Lifetimes {
  readonly #rng: Rng;
  readonly #queues: readonly DeadlineQueue[];

  /** Lives end between `lifetimeMs` less the part `jitter` (0 to 1) of it, and `lifetimeMs`; Infinity for never. */
  constructor(clock: Clock, rng: Rng, lifetimeMs: number, jitter: number) {
    this.#rng = rng;
    const isDrawn = lifetimeMs < Number.POSITIVE_INFINITY && jitter > 0;
    const count = isDrawn ? LENGTHS : 1;
    this.#queues = Array.from(
      { length: count },
      (_, index) =>
        new DeadlineQueue(
          clock,
          isDrawn ? lifetimeMs * (1 - (jitter * index) / count) : lifetimeMs,
        ),
    );
  }

  /** Sets the end of a life that begins now; undefined where lives have no end. */
  set(runner: DeadlineRunner): Deadline | undefined {
    const index = this.#queues.length === 1 ? 0 : Math.floor(this.#rng.next() * LENGTHS);
    return this.#queues[index]?.set(runner);
  }

  stop(): void {
    for (const queue of this.#queues) queue.stop();
  }
}
