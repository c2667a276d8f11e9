// Those who wait for the same thing, first-in first-out. Owns their order and measures how long they wait.
import type { Clock } from "../lib/clock.ts";
import type { Counter, Histogram } from "../telemetry/metrics.ts";

/** What is counted of a queue. */
export interface QueueMetrics {
  /** Of sessions: times one had to queue. */
  readonly queued: Counter;
  /** Time from joining to leaving, whatever the reason, in milliseconds. */
  readonly time: Histogram;
}

/** A queue that may be left from anywhere. All in constant time, about. */
export class WaitQueue<W> {
  readonly #clock: Clock;
  readonly #metrics: QueueMetrics;
  /** In the order of joining, with its time. */
  readonly #since = new Map<W, number>();

  constructor(clock: Clock, metrics: QueueMetrics) {
    this.#clock = clock;
    this.#metrics = metrics;
  }

  get size(): number {
    return this.#since.size;
  }

  /** Who has waited the longest. */
  get first(): W | undefined {
    return this.#since.keys().next().value;
  }

  has(waiter: W): boolean {
    return this.#since.has(waiter);
  }

  /** Goes to the end; who is in the queue already keeps the place. */
  join(waiter: W): void {
    if (this.#since.has(waiter)) return;
    this.#since.set(waiter, this.#clock.now());
    this.#metrics.queued.add(1);
  }

  /** Nothing happens to who is not in the queue. */
  leave(waiter: W): void {
    const sinceMs = this.#since.get(waiter);
    if (sinceMs === undefined) return;
    this.#since.delete(waiter);
    this.#metrics.time.observe(this.#clock.now() - sinceMs);
  }

  /** How long the first has waited, in milliseconds; 0 when there is none. */
  longestMs(): number {
    const sinceMs = this.#since.values().next().value;
    return sinceMs === undefined ? 0 : this.#clock.now() - sinceMs;
  }

  /** Calls `visit` in the order of the queue until it answers false. Waiters may leave meanwhile. */
  visit(visit: (waiter: W) => boolean): void {
    for (const waiter of this.#since.keys()) if (!visit(waiter)) return;
  }
}
