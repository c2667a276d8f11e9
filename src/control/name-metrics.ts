// The metrics of one name: how many endpoints it has, how old that is, and how often it was kept against the answer.
import { RESOLVER_METRICS } from "../telemetry/catalogue/naming.ts";
import type { Counter, Gauge } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { KeptReason } from "./names.ts";

const UNKNOWN_AGE = -1;

/** Handles of one name. */
export class NameMetrics {
  readonly #registry: Registry;
  readonly #age: Gauge;
  readonly #endpoints: Gauge;
  readonly #kept: Readonly<Record<KeptReason, Counter>>;

  constructor(registry: Registry, path: string, router: string) {
    const kept = (reason: KeptReason): Counter =>
      registry.counter(RESOLVER_METRICS.kept, path, router, reason);
    this.#registry = registry;
    this.#age = registry.gauge(RESOLVER_METRICS.age, path, router);
    this.#endpoints = registry.gauge(RESOLVER_METRICS.endpoints, path, router);
    this.#kept = { neg: kept("neg"), failed: kept("failed"), empty: kept("empty") };
    this.setAge(undefined);
  }

  /** In milliseconds; undefined before the first answer. */
  setAge(ms: number | undefined): void {
    this.#age.set(ms === undefined ? UNKNOWN_AGE : ms / 1_000);
  }

  setEndpoints(count: number): void {
    this.#endpoints.set(count);
  }

  countKept(reason: KeptReason): void {
    this.#kept[reason].add(1);
  }

  /** Ends all series; nothing may be counted afterwards. */
  release(): void {
    for (const handle of [this.#age, this.#endpoints, ...Object.values(this.#kept)]) {
      this.#registry.release(handle);
    }
  }
}
