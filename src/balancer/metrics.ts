// The metrics of one destination on one worker.
import { BALANCER_METRICS as DEFINED } from "../telemetry/catalogue/balancer.ts";
import { EjectionMetrics } from "./ejection-report.ts";
import type { Counter, Gauge, Histogram, MetricDefinition } from "../telemetry/metrics.ts";
import { MetricScope } from "../telemetry/metric-scope.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { QueueMetrics } from "./wait-queue.ts";
import type { ConnectFailure } from "../transport/connector.ts";
import { DESTINATION_TLS_METRICS } from "../telemetry/catalogue/tls.ts";
import { TlsCounters } from "../telemetry/tls-counters.ts";

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
  readonly retries: Counter;
  readonly retryBudget: Gauge;
  readonly retryQueue: QueueMetrics;
  readonly placeQueue: QueueMetrics;
  readonly ejection: EjectionMetrics;
  readonly #failures: Readonly<Record<Cause, Counter>>;

  readonly #scope: MetricScope;
  readonly #makeTls: () => TlsCounters;
  #tls: TlsCounters | undefined;

  constructor(source: Registry, router: string, path: string) {
    const registry = new MetricScope(source);
    this.#scope = registry;
    this.#makeTls = () => new TlsCounters(source, DESTINATION_TLS_METRICS, [path, router]);
    const gauge = (definition: MetricDefinition) => registry.gauge(definition, path, router);
    const counter = (definition: MetricDefinition) => registry.counter(definition, path, router);
    const histogram = (definition: MetricDefinition) =>
      registry.histogram(definition, path, router);
    const failures = (cause: Cause) => registry.counter(DEFINED.failures, cause, path, router);
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
    this.retries = counter(DEFINED.retries);
    this.retryBudget = gauge(DEFINED.retryBudget);
    const queue = (name: "limit" | "retry"): QueueMetrics => ({
      queued: registry.counter(DEFINED.queued, path, name, router),
      time: registry.histogram(DEFINED.queueTime, path, name, router),
    });
    this.retryQueue = queue("retry");
    this.placeQueue = queue("limit");
    this.ejection = new EjectionMetrics(registry, router, path);
    this.#failures = {
      timeout: failures("timeout"),
      refused: failures("refused"),
      other: failures("other"),
    };
  }

  /** Ends all series; nothing may be counted afterwards. */
  release(): void {
    this.#scope.release();
    this.#tls?.release();
  }

  /** What counts TLS handshakes with endpoints; its series begin when there are such. */
  get tls(): TlsCounters {
    this.#tls ??= this.#makeTls();
    return this.#tls;
  }

  failure(failure: ConnectFailure): void {
    this.#failures[failure === "timeout" || failure === "refused" ? failure : "other"].add(1);
  }
}
