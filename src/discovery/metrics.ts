// The metrics of a name source: how its answers came and what they were worth.
import type { Resolution } from "../naming/resolution.ts";
import { RESOLVER_METRICS } from "../telemetry/catalogue/naming.ts";
import type { Counter, Histogram } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";

/** What a source counts. */
export interface SourceMetrics {
  /** The time from a question to its answer, in milliseconds. */
  observeLatency(ms: number): void;
  /** Addresses that were left out of an answer because they cannot be used. */
  skip(count: number): void;
}

/** Handles of one resolver. */
export class ResolverMetrics implements SourceMetrics {
  readonly #successes: Counter;
  readonly #failures: Counter;
  readonly #latency: Histogram;
  readonly #skipped: Counter;
  readonly #registry: Registry;
  #isReleased = false;

  /** `namespace` is namerd's, and empty for other sources; `router` is the label of the router that asks. */
  constructor(registry: Registry, namespace: string, router: string) {
    this.#registry = registry;
    this.#successes = registry.counter(RESOLVER_METRICS.successes, namespace, router);
    this.#failures = registry.counter(RESOLVER_METRICS.failures, namespace, router);
    this.#latency = registry.histogram(RESOLVER_METRICS.latency, namespace, router);
    this.#skipped = registry.counter(RESOLVER_METRICS.skipped, namespace, router);
  }

  /** Ends all series. What is still counted afterwards, of a question under way, is lost. */
  release(): void {
    const handles = [this.#successes, this.#failures, this.#latency, this.#skipped];
    for (const handle of handles) this.#registry.release(handle);
    this.#isReleased = true;
  }

  /** Counts an answer as it is reported. Pending is no outcome. */
  count(resolution: Resolution): void {
    if (resolution.state === "pending" || this.#isReleased) return;
    (resolution.state === "bound" ? this.#successes : this.#failures).add(1);
  }

  /** Counts the time from a question to its answer, in milliseconds. */
  observeLatency(ms: number): void {
    if (!this.#isReleased) this.#latency.observe(ms);
  }

  /** Counts addresses that were left out of an answer. */
  skip(count: number): void {
    if (!this.#isReleased) this.#skipped.add(count);
  }
}
