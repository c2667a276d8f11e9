// A clock that moves only when a test says so.
import type { Cancel, Clock } from "../../src/lib/clock.ts";

interface Call {
  readonly run: () => void;
  readonly everyMs: number;
  dueMs: number;
}

/** A clock whose time is moved by `advance`; calls due on the way run in the order of their times. */
export class FakeClock implements Clock {
  #nowMs = 1_000;
  readonly #calls = new Set<Call>();

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.#schedule(delayMs, run, 0);
  }

  every(periodMs: number, run: () => void): Cancel {
    return this.#schedule(periodMs, run, periodMs);
  }

  /** How many calls are scheduled: 0 when nothing is left behind. */
  get pending(): number {
    return this.#calls.size;
  }

  /** Moves time forward by `ms`, running what falls due. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#earliest();
      if (next === undefined || next.dueMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      if (next.everyMs > 0) next.dueMs += next.everyMs;
      else this.#calls.delete(next);
      next.run();
    }
    this.#nowMs = endMs;
  }

  #schedule(delayMs: number, run: () => void, everyMs: number): Cancel {
    const call: Call = { run, everyMs, dueMs: this.#nowMs + Math.max(0, delayMs) };
    this.#calls.add(call);
    return () => this.#calls.delete(call);
  }

  #earliest(): Call | undefined {
    let earliest: Call | undefined;
    for (const call of this.#calls)
      if (earliest === undefined || call.dueMs < earliest.dueMs) earliest = call;
    return earliest;
  }
}
