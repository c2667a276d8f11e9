// The metrics of one destination on one worker.
import { BALANCER_METRICS as DEFINED } from "../telemetry/catalogue/balancer.ts";
import type { Counter, Gauge, Histogram, MetricDefinition } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { ConnectFailure } from "../transport/connector.ts";

/** Causes that linkerd-tcp 0.1 knew. */
type Cause = "timeout" | "refused" | "other";

export class BalancerMetrics {
  readonly pending: Gauge;
  readonly open: Gauge;
  readonly warm: Gauge;
  readonly waiters: Gauge;
  readonly unavailable: Counter;
  readonly attempts: Counter;
  readonly connects: Counter;
  readonly latency: Histogram;
  readonly duration: Histogram;
  readonly updateTime: Histogram;
  readonly panic: Gauge;
  readonly #failures: Readonly<Record<Cause, Counter>>;
  readonly #registry: Registry;
  readonly #handles: (Counter | Gauge | Histogram)[] = [];

  constructor(registry: Registry, router: string, path: string) {
    const keep = <Handle extends Counter | Gauge | Histogram>(handle: Handle): Handle => {
      this.#handles.push(handle);
      return handle;
    };
    const gauge = (definition: MetricDefinition) => keep(registry.gauge(definition, path, router));
    const counter = (definition: MetricDefinition) =>
      keep(registry.counter(definition, path, router));
    const histogram = (definition: MetricDefinition) =>
      keep(registry.histogram(definition, path, router));
    const failures = (cause: Cause) =>
      keep(registry.counter(DEFINED.failures, cause, path, router));
    this.#registry = registry;
    this.pending = gauge(DEFINED.pending);
    this.open = gauge(DEFINED.open);
    this.warm = gauge(DEFINED.warm);
    this.waiters = gauge(DEFINED.waiters);
    this.unavailable = counter(DEFINED.unavailable);
    this.attempts = counter(DEFINED.attempts);
    this.connects = counter(DEFINED.connects);
    this.latency = histogram(DEFINED.latency);
    this.duration = histogram(DEFINED.duration);
    this.updateTime = histogram(DEFINED.updateTime);
    this.panic = gauge(DEFINED.panic);
    this.#failures = {
      timeout: failures("timeout"),
      refused: failures("refused"),
      other: failures("other"),
    };
  }

  /** Ends all series; nothing may be counted afterwards. */
  release(): void {
    for (const handle of this.#handles) this.#registry.release(handle);
  }

  failure(failure: ConnectFailure): void {
    this.#failures[failure === "timeout" || failure === "refused" ? failure : "other"].add(1);
  }
}
