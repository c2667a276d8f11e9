// Messages to one worker, sent in order and a few at a time: a worker takes in all that has come in one turn of its event
// loop, and only to read twenty messages of 500 endpoints takes it 2 to 5 ms (see worker/inbox.ts for applying them).
import type { Cancel, Clock } from "../lib/clock.ts";

/** Messages sent at a stretch, and the time to the next stretch. */
const MOST_AT_ONCE = 4;
const PAUSE_MS = 2;

export class Outbox<Message> {
  readonly #post: (message: Message) => void;
  readonly #clock: Clock;
  #waiting: Message[] = [];
  /** How many may still go in this stretch; undefined before the first message of one. */
  #left: number | undefined;
  #cancel: Cancel | undefined;

  constructor(post: (message: Message) => void, clock: Clock) {
    this.#post = post;
    this.#clock = clock;
  }

  /** Sends `message` now, or after those that wait. */
  push(message: Message): void {
    this.#waiting.push(message);
    if (this.#left === undefined) this.#begin();
    else this.#send();
  }

  /** Sends nothing more. */
  stop(): void {
    this.#cancel?.();
    this.#waiting = [];
  }

  #begin(): void {
    this.#left = MOST_AT_ONCE;
    this.#cancel = this.#clock.after(PAUSE_MS, () => {
      this.#left = undefined;
      if (this.#waiting.length > 0) this.#begin();
    });
    this.#send();
  }

  #send(): void {
    const now = this.#waiting.splice(0, this.#left ?? 0);
    this.#left = (this.#left ?? 0) - now.length;
    for (const message of now) this.#post(message);
  }
}
