// The limit of connections to each endpoint of a destination, hard across workers: takes places, keeps those in line who
// found none, and notices when other workers leave some.
import type { Cancel, Clock } from "../lib/clock.ts";
import { stampOf } from "../telemetry/endpoint-slots.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Pool } from "./pool.ts";
import { type QueueMetrics, WaitQueue } from "./wait-queue.ts";

/** How often places that other workers hold are looked at while somebody waits. */
const LOOK_MS = 15;
/** Endpoints looked at in one go; the next go begins behind them. */
const LOOKS_AT_ONCE = 2_000;
/** A place goes to another worker if its first waiter came earlier by this than the first here. */
const FAIRNESS_MS = 100;

/** Who waits for a place. */
export interface PlaceWaiter {
  /** There may be a place. Keeps its own in the queue by joining again, else it leaves the queue. */
  onPlace(): void;
}

/** What a limit is made of. */
export interface EndpointLimitParts {
  /** Connections to one endpoint at a time, in the whole process, 1 or more. */
  readonly max: number;
  readonly pool: Pool;
  readonly clock: Clock;
  readonly metrics: QueueMetrics;
}

/**
 * An endpoint that turns out to be full leaves the pool's pickers (`Pool.park`) until it has room again. A place that this
 * worker's connections leave goes to the first of this worker's queue at once, unless another worker's has waited
 * noticeably longer; then it goes to whoever looks first.
 */
export class EndpointLimit {
  readonly #parts: EndpointLimitParts;
  #max: number;
  readonly #queue: WaitQueue<PlaceWaiter>;
  #cancelLook: Cancel | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #serving = false;
  /** Who has joined last: tells who found nothing when it was served. */
  #joined: PlaceWaiter | undefined;
  /** Whether other workers may have been told that somebody waits here. */
  #told = false;

  constructor(parts: EndpointLimitParts) {
    this.#parts = parts;
    this.#max = parts.max;
    // Connections that were made without a limit take their places now.
    for (const { slots, row, probes } of parts.pool.endpoints) slots.adopt(row.ownLoad - probes);
    this.#queue = new WaitQueue(parts.clock, parts.metrics);
  }

  /** Another limit from now on; Infinity for none. Connections beyond it stay. */
  setMax(max: number): void {
    if (max === this.#max) return;
    this.#max = max;
    this.#look();
    this.serve();
  }

  /** Whether nobody waits for a place. */
  get isIdle(): boolean {
    return this.#queue.size === 0;
  }

  /** An endpoint with a place taken, none of `tried`: see Pool. */
  pickOther(tried: readonly Endpoint[], client: number): Endpoint | undefined {
    this.#lookIfDue();
    for (;;) {
      // What turns out to be full is not picked again, so that this comes to an end.
      const endpoint = this.#parts.pool.pickOther(tried, client);
      if (endpoint === undefined || this.#take(endpoint)) return endpoint;
    }
  }

  /** Takes a place; false when there is none, and then the endpoint is not picked any more. */
  #take(endpoint: Endpoint): boolean {
    if (endpoint.slots.take(this.#max)) return true;
    this.#parts.pool.park(endpoint);
    return false;
  }

  /** A connection has ended, and leaves its place. */
  leavePlace(endpoint: Endpoint): void {
    const { slots } = endpoint;
    slots.giveBack();
    const { pool, clock } = this.#parts;
    if (!pool.parked.has(endpoint)) return;
    const sinceMs = clock.wallTime() - this.#queue.longestMs();
    if (slots.othersWaitSinceBefore(stampOf(sinceMs - FAIRNESS_MS))) return;
    slots.setWaiting(0);
    pool.unpark(endpoint);
    this.serve();
  }

  /** Before a pick: makes sure that what other workers have left is known. Costs nothing while no endpoint is full. */
  #lookIfDue(): void {
    if (this.#parts.pool.parked.size === 0) return;
    if (this.#parts.clock.now() - this.#lookedMs >= LOOK_MS) this.#look();
  }

  /** Whether an endpoint is there that is only full: then `waiter` is told when to try again. */
  join(waiter: PlaceWaiter): boolean {
    if (this.#parts.pool.parked.size === 0) return false;
    this.#queue.join(waiter);
    this.#joined = waiter;
    this.#cancelLook ??= this.#parts.clock.after(LOOK_MS, () => this.#lookAgain());
    return true;
  }

  /** Waits no more. */
  leave(waiter: PlaceWaiter): void {
    this.#queue.leave(waiter);
    if (this.#queue.size === 0) this.#stopLooking();
  }

  /** Lets those who wait try in their order, until one finds nothing. */
  serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    this.#queue.visit((waiter) => {
      this.#joined = undefined;
      waiter.onPlace();
      if (this.#joined === waiter) return false;
      this.leave(waiter);
      return true;
    });
    this.#serving = false;
  }

  #lookAgain(): void {
    this.#cancelLook = undefined;
    this.#look();
    // Also what no message tells of, such as an endpoint that has come back, is noticed here.
    this.serve();
    if (this.#queue.size > 0)
      this.#cancelLook ??= this.#parts.clock.after(LOOK_MS, () => this.#lookAgain());
  }

  #look(): void {
    const { pool, clock } = this.#parts;
    const max = this.#max;
    this.#lookedMs = clock.now();
    const waiting =
      this.#queue.size === 0 ? 0 : stampOf(clock.wallTime() - this.#queue.longestMs());
    this.#told ||= waiting !== 0;
    let hasRoom = false;
    for (const endpoint of pool.someParked(LOOKS_AT_ONCE)) {
      if (endpoint.slots.held >= max) {
        endpoint.slots.setWaiting(waiting);
        continue;
      }
      endpoint.slots.setWaiting(0);
      pool.unpark(endpoint);
      hasRoom = true;
    }
    if (hasRoom) this.serve();
  }

  #stopLooking(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    if (!this.#told) return;
    this.#told = false;
    for (const endpoint of this.#parts.pool.parked) endpoint.slots.setWaiting(0);
  }
}
