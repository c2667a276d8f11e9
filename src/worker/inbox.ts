// Messages of the control thread, applied in order and in portions, so that a large change of endpoints holds up no
// connection. Bun 1.4.5 hands a worker all messages that have come in one turn of its event loop (seen with 20 messages of
// 3 ms each: neither a socket nor a timer had its turn between them).
import type { Clock } from "../lib/clock.ts";

/** How long messages are applied at a stretch. */
const PORTION_MS = 2;

export class Inbox<Message> {
  readonly #apply: (message: Message) => void;
  readonly #clock: Clock;
  readonly #waiting: Message[] = [];
  /** When this turn's portion is used up; undefined before the first message of a turn. */
  #portionEndMs: number | undefined;

  /** `apply` must not throw. */
  constructor(apply: (message: Message) => void, clock: Clock) {
    this.#apply = apply;
    this.#clock = clock;
  }

  /** Applies `message` now, or in a later turn where this one's portion is used up or others wait. */
  push(message: Message): void {
    this.#waiting.push(message);
    if (this.#portionEndMs === undefined) this.#beginTurn();
    this.#work();
  }

  #beginTurn(): void {
    this.#portionEndMs = this.#clock.now() + PORTION_MS;
    this.#clock.after(0, () => {
      this.#portionEndMs = undefined;
      if (this.#waiting.length === 0) return;
      this.#beginTurn();
      this.#work();
    });
  }

  #work(): void {
    while (this.#clock.now() < (this.#portionEndMs ?? 0)) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      this.#apply(message);
    }
  }
}
