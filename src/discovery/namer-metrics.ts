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
  readonly #registry: Registry;
  #isReleased = false;

  /** `prefix` is the namer's whole prefix, such as `/#/io.l5d.fs`. */
  constructor(registry: Registry, prefix: string) {
    this.#registry = registry;
    this.#latency = registry.histogram(NAMER_METRICS.latency, prefix);
    this.#skipped = registry.counter(NAMER_METRICS.skipped, prefix);
    this.#kept = registry.counter(NAMER_METRICS.kept, prefix);
    this.#emptied = registry.counter(NAMER_METRICS.emptied, prefix);
    this.#names = registry.gauge(NAMER_METRICS.names, prefix);
    this.#silent = registry.gauge(NAMER_METRICS.silent, prefix);
    this.#age = registry.gauge(NAMER_METRICS.age, prefix);
    this.#age.set(UNKNOWN_AGE);
  }

  /** Ends all series. What is still counted afterwards, of a question under way, is lost. */
  release(): void {
    this.#isReleased = true;
    for (const handle of [
      this.#latency,
      this.#skipped,
      this.#kept,
      this.#emptied,
      this.#names,
      this.#silent,
      this.#age,
    ])
      this.#registry.release(handle);
  }

  observeLatency(ms: number): void {
    if (!this.#isReleased) this.#latency.observe(ms);
  }

  skip(count: number): void {
    if (!this.#isReleased) this.#skipped.add(count);
  }

  /** A failure of the source was not obeyed: a name keeps its last good answer. */
  countKept(): void {
    if (!this.#isReleased) this.#kept.add(1);
  }

  /** A name lost all its endpoints. */
  countEmptied(): void {
    if (!this.#isReleased) this.#emptied.add(1);
  }

  /** What is true now, for whoever is about to read the metrics. */
  set({ names, silent, oldestConfirmedSeconds }: FollowedStatus): void {
    this.#names.set(names);
    this.#silent.set(silent);
    this.#age.set(oldestConfirmedSeconds ?? UNKNOWN_AGE);
  }
}
