// Messages of the control thread, applied in order and in portions, so that a large change of endpoints holds up no
// connection. Bun 1.4.5 hands a worker all messages that have come in one turn of its event loop (seen with 20 messages of
// 3 ms each: neither a socket nor a timer had its turn between them). A message for which something must be loaded is
// waited for, and those behind it with it.
import type { Clock } from "../lib/clock.ts";

/** How long messages are applied at a stretch. */
const PORTION_MS = 2;

/** What an inbox is made of. */
export interface InboxParts<Message> {
  /** Makes ready what `apply` needs; undefined when it is there. */
  readonly prepare: (message: Message) => Promise<unknown> | undefined;
  /** Must not throw. */
  readonly apply: (message: Message) => void;
  /** A message that could not be prepared: it is not applied. */
  readonly onUnprepared: (message: Message, error: unknown) => void;
  readonly clock: Clock;
}

export class Inbox<Message> {
  readonly #parts: InboxParts<Message>;
  #isPreparing = false;
  readonly #waiting: Message[] = [];
  /** When this turn's portion is used up; undefined before the first message of a turn. */
  #portionEndMs: number | undefined;

  constructor(parts: InboxParts<Message>) {
    this.#parts = parts;
  }

  /** Applies `message` now, or in a later turn where this one's portion is used up or others wait. */
  push(message: Message): void {
    this.#waiting.push(message);
    if (this.#portionEndMs === undefined) this.#beginTurn();
    this.#work();
  }

  #beginTurn(): void {
    const { clock } = this.#parts;
    this.#portionEndMs = clock.now() + PORTION_MS;
    clock.after(0, () => {
      this.#portionEndMs = undefined;
      this.#resume();
    });
  }

  #resume(): void {
    if (this.#waiting.length === 0 || this.#isPreparing) return;
    if (this.#portionEndMs === undefined) this.#beginTurn();
    this.#work();
  }

  #work(): void {
    const { clock, prepare, apply } = this.#parts;
    while (!this.#isPreparing && clock.now() < (this.#portionEndMs ?? 0)) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      const preparing = prepare(message);
      if (preparing === undefined) apply(message);
      else void this.#applyAfter(preparing, message);
    }
  }

  async #applyAfter(preparing: Promise<unknown>, message: Message): Promise<void> {
    this.#isPreparing = true;
    try {
      await preparing;
      this.#parts.apply(message);
    } catch (error) {
      this.#parts.onUnprepared(message, error);
    } finally {
      this.#isPreparing = false;
      this.#resume();
    }
  }
}
