// Metrics that end together: handed out by a registry, and given back in one call.
import type { Counter, Gauge, Histogram, MetricDefinition } from "./metrics.ts";
import type { Registry } from "./registry.ts";

type Handle = Counter | Gauge | Histogram;

/** What hands out metrics: a registry, or a part of one. */
export type MetricSource = Pick<Registry, "counter" | "gauge" | "histogram">;

export class MetricScope implements MetricSource {
  readonly #registry: Registry;
  readonly #handles: Handle[] = [];

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** As Registry.counter. */
  counter(definition: MetricDefinition, ...labels: readonly string[]): Counter {
    return this.#keep(this.#registry.counter(definition, ...labels));
  }

  /** As Registry.gauge. */
  gauge(definition: MetricDefinition, ...labels: readonly string[]): Gauge {
    return this.#keep(this.#registry.gauge(definition, ...labels));
  }

  /** As Registry.histogram. */
  histogram(definition: MetricDefinition, ...labels: readonly string[]): Histogram {
    return this.#keep(this.#registry.histogram(definition, ...labels));
  }

  /** Ends all series; nothing may be counted afterwards. */
  release(): void {
    for (const handle of this.#handles) this.#registry.release(handle);
    this.#handles.length = 0;
  }

  #keep<Kept extends Handle>(handle: Kept): Kept {
    this.#handles.push(handle);
    return handle;
  }
}
