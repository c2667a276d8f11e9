// The metrics of a namer: how its source answers, and what it is not trusted with.
import { NAMER_METRICS } from "../telemetry/catalogue/naming.ts";
import type { Counter, Gauge, Histogram } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { FollowedStatus } from "./followed-names.ts";
import type { SourceMetrics } from "./metrics.ts";

const UNKNOWN_AGE = -1;

/** Handles of one namer. */
export class NamerMetrics implements SourceMetrics {
  readonly #latency: Histogram;
  readonly #skipped: Counter;
  readonly #kept: Counter;
  readonly #emptied: Counter;
  readonly #names: Gauge;
  readonly #silent: Gauge;
  readonly #age: Gauge;

  /** `prefix` is the namer's whole prefix, such as `/#/io.l5d.fs`. */
  constructor(registry: Registry, prefix: string) {
    this.#latency = registry.histogram(NAMER_METRICS.latency, prefix);
    this.#skipped = registry.counter(NAMER_METRICS.skipped, prefix);
    this.#kept = registry.counter(NAMER_METRICS.kept, prefix);
    this.#emptied = registry.counter(NAMER_METRICS.emptied, prefix);
    this.#names = registry.gauge(NAMER_METRICS.names, prefix);
    this.#silent = registry.gauge(NAMER_METRICS.silent, prefix);
    this.#age = registry.gauge(NAMER_METRICS.age, prefix);
    this.#age.set(UNKNOWN_AGE);
  }

  observeLatency(ms: number): void {
    this.#latency.observe(ms);
  }

  skip(count: number): void {
    this.#skipped.add(count);
  }

  /** A failure of the source was not obeyed: a name keeps its last good answer. */
  countKept(): void {
    this.#kept.add(1);
  }

  /** A name lost all its endpoints. */
  countEmptied(): void {
    this.#emptied.add(1);
  }

  /** What is true now, for whoever is about to read the metrics. */
  set({ names, silent, oldestConfirmedSeconds }: FollowedStatus): void {
    this.#names.set(names);
    this.#silent.set(silent);
    this.#age.set(oldestConfirmedSeconds ?? UNKNOWN_AGE);
  }
}
