// Deadlines that are all equally long after they were set, so that they fall due in the order in which they were set:
// a list in place of a timer each. One timer serves the list.
import type { Cancel, Clock } from "./clock.ts";

/** So many run in one go, then others have their turn: thousands that were set at once fall due at once. */
const MOST_AT_ONCE = 256;

/** One deadline that has been set. */
export class Deadline {
  /** Owned by the queue. */
  previous: Deadline | undefined;
  /** Owned by the queue. */
  next: Deadline | undefined;
  readonly dueMs: number;
  readonly runner: DeadlineRunner;
  /** Whether it is still in the queue. */
  waiting = true;
  readonly #queue: DeadlineQueue;

  constructor(queue: DeadlineQueue, dueMs: number, runner: DeadlineRunner) {
    this.#queue = queue;
    this.dueMs = dueMs;
    this.runner = runner;
  }

  /** Clears the deadline; one that has run or was cleared is left alone. */
  clear(): void {
    this.#queue.clear(this);
  }
}

/** What a deadline calls when it falls due. */
export interface DeadlineRunner {
  onDeadline(): void;
}

/** Deadlines of one length. Setting and clearing take constant time; a queue that is empty holds no timer. */
export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #lengthMs: number;
  #first: Deadline | undefined;
  #last: Deadline | undefined;
  #cancel: Cancel | undefined;

  /** `lengthMs` may be Infinity: then deadlines never fall due and cost nothing. */
  constructor(clock: Clock, lengthMs: number) {
    this.#clock = clock;
    this.#lengthMs = lengthMs;
  }

  /** Sets a deadline, or answers undefined when this queue's deadlines never fall due. */
  set(runner: DeadlineRunner): Deadline | undefined {
    if (this.#lengthMs === Number.POSITIVE_INFINITY) return undefined;
    const deadline = new Deadline(this, this.#clock.now() + this.#lengthMs, runner);
    deadline.previous = this.#last;
    if (this.#last === undefined) this.#first = deadline;
    else this.#last.next = deadline;
    this.#last = deadline;
    // The timer is not moved when deadlines are cleared: it looks at what is first when it fires.
    this.#cancel ??= this.#clock.after(this.#lengthMs, () => this.#expire());
    return deadline;
  }

  /** See Deadline.clear. */
  clear(deadline: Deadline): void {
    if (!deadline.waiting) return;
    deadline.waiting = false;
    if (deadline.previous === undefined) this.#first = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next === undefined) this.#last = deadline.previous;
    else deadline.next.previous = deadline.previous;
    deadline.previous = undefined;
    deadline.next = undefined;
  }

  /** Clears all deadlines and the timer. */
  stop(): void {
    while (this.#first !== undefined) this.clear(this.#first);
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #expire(): void {
    this.#cancel = undefined;
    const nowMs = this.#clock.now();
    for (let count = 0; count < MOST_AT_ONCE; count += 1) {
      const first = this.#first;
      if (first === undefined || first.dueMs > nowMs) break;
      this.clear(first);
      first.runner.onDeadline();
    }
    this.#arm();
  }

  /** For what is first now: what was set meanwhile may have armed the timer already, for when that is due. */
  #arm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#first === undefined) return;
    const leftMs = this.#first.dueMs - this.#clock.now();
    this.#cancel = this.#clock.after(Math.max(0, leftMs), () => this.#expire());
  }
}
