// The metrics of one router on one worker.
import { ROUTER_METRICS as DEFINED } from "../telemetry/catalogue/server.ts";
import type { Counter, Histogram } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";

export class RouterMetrics {
  readonly creates: Counter;
  readonly found: Counter;
  readonly errors: Counter;
  readonly time: Histogram;
  readonly #registry: Registry;

  constructor(registry: Registry, router: string) {
    this.#registry = registry;
    this.creates = registry.counter(DEFINED.creates, router);
    this.found = registry.counter(DEFINED.found, router);
    this.errors = registry.counter(DEFINED.errors, router);
    this.time = registry.histogram(DEFINED.time, router);
  }

  /** Ends all series; nothing may be counted afterwards. */
  release(): void {
    for (const handle of [this.creates, this.found, this.errors, this.time])
      this.#registry.release(handle);
  }
}
