// What is counted of the names that the connections of one router bring up.
import type { LetGoReason, NoRoomReason } from "../control/name-cache.ts";
import { NAME_METRICS } from "../telemetry/catalogue/server.ts";
import { MetricScope } from "../telemetry/metric-scope.ts";
import type { Counter, Gauge } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";

export class RouterNameMetrics {
  readonly bound: Gauge;
  readonly unbound: Gauge;
  readonly created: Counter;
  readonly evicted: Readonly<Record<LetGoReason, Counter>>;
  readonly refused: Readonly<Record<NoRoomReason, Counter>>;
  readonly #scope: MetricScope;

  constructor(registry: Registry, router: string) {
    const scope = new MetricScope(registry);
    const evicted = (reason: LetGoReason) => scope.counter(NAME_METRICS.evicted, reason, router);
    const refused = (reason: NoRoomReason) => scope.counter(NAME_METRICS.refused, reason, router);
    this.#scope = scope;
    this.bound = scope.gauge(NAME_METRICS.live, router, "bound");
    this.unbound = scope.gauge(NAME_METRICS.live, router, "unbound");
    this.created = scope.counter(NAME_METRICS.created, router);
    this.evicted = {
      idle: evicted("idle"),
      unbound: evicted("unbound"),
      limit: evicted("limit"),
    };
    this.refused = { limit: refused("limit"), rate: refused("rate") };
  }

  /** Ends all series; nothing may be counted afterwards. */
  release(): void {
    this.#scope.release();
  }
}
