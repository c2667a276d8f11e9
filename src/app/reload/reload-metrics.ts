// The metrics of reloads.
import { RELOAD_METRICS } from "../../telemetry/catalogue/reload.ts";
import type { Counter, Gauge } from "../../telemetry/metrics.ts";
import type { Registry } from "../../telemetry/registry.ts";

const RESULTS = ["applied", "unchanged", "invalid", "failed", "refused"] as const;

export class ReloadMetrics {
  readonly #results: ReadonlyMap<string, Counter>;
  readonly #successful: Gauge;
  readonly #loadedAt: Gauge;
  readonly #generation: Gauge;

  constructor(registry: Registry) {
    this.#results = new Map(
      RESULTS.map((result) => [result, registry.counter(RELOAD_METRICS.reloads, result)]),
    );
    this.#successful = registry.gauge(RELOAD_METRICS.successful);
    this.#loadedAt = registry.gauge(RELOAD_METRICS.loadedAt);
    this.#generation = registry.gauge(RELOAD_METRICS.generation);
  }

  /** A reload has ended. One that was refused did not look at the file, and says nothing of it. */
  count(result: string): void {
    this.#results.get(result)?.add(1);
    if (result !== "refused")
      this.#successful.set(["applied", "unchanged"].includes(result) ? 1 : 0);
  }

  /** A configuration was loaded, and is in effect. */
  inEffect(generation: number, atMs: number): void {
    this.#successful.set(1);
    this.#generation.set(generation);
    this.#loadedAt.set(atMs / 1000);
  }
}
