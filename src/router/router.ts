// Finds the balancer of a destination.
import type { Balancer } from "../balancer/balancer.ts";
import type { Clock } from "../lib/clock.ts";
import type { RouterMetrics } from "./metrics.ts";

/** The destinations of one router on one worker. */
export class Router {
  readonly #routes = new Map<number, Balancer>();
  readonly #metrics: RouterMetrics;
  readonly #clock: Clock;
  #keepers = 0;

  constructor(metrics: RouterMetrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** Makes `balancer` the one of a destination. */
  add(destination: number, balancer: Balancer): void {
    this.#routes.set(destination, balancer);
    this.#metrics.creates.add(1);
  }

  /** Forgets a destination. Answers whether nothing is left: then nothing more may be asked. */
  remove(destination: number): boolean {
    this.#routes.delete(destination);
    return this.#endIfUnused();
  }

  /** What is counted of those who find their balancer by its path; until `release`. */
  keep(): RouterMetrics {
    this.#keepers += 1;
    return this.#metrics;
  }

  /** Undoes `keep`. Answers as `remove` does. */
  release(): boolean {
    this.#keepers -= 1;
    return this.#endIfUnused();
  }

  /** The balancer of a destination, undefined when the control thread has not told of it. */
  route(destination: number): Balancer | undefined {
    const startedMs = this.#clock.now();
    const balancer = this.#routes.get(destination);
    (balancer === undefined ? this.#metrics.errors : this.#metrics.found).add(1);
    this.#metrics.time.observe((this.#clock.now() - startedMs) * 1000);
    return balancer;
  }

  #endIfUnused(): boolean {
    if (this.#routes.size > 0 || this.#keepers > 0) return false;
    this.#metrics.release();
    return true;
  }
}
