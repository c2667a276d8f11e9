// Counts of connections that a server's limits refuse, on one worker.
import { SERVER_METRICS } from "../telemetry/catalogue/server.ts";
import type { Counter } from "../telemetry/metrics.ts";
import type { MetricSource } from "../telemetry/metric-scope.ts";
import { type LimitRule, RULE_NAMES } from "./rules.ts";

export class LimitMetrics {
  readonly #refused: ReadonlyMap<LimitRule, Counter>;
  readonly #dryRun: ReadonlyMap<LimitRule, Counter>;

  /** `address` is the bound `ip:port`. */
  constructor(registry: MetricSource, router: string, address: string) {
    const counters = (action: string): ReadonlyMap<LimitRule, Counter> =>
      new Map(
        RULE_NAMES.map((rule) => [
          rule,
          registry.counter(SERVER_METRICS.limited, action, rule, router, address),
        ]),
      );
    this.#refused = counters("refused");
    this.#dryRun = counters("dry_run");
  }

  /** Counts a connection that a rule refuses, or would refuse. */
  count(rule: LimitRule, isDryRun: boolean): void {
    (isDryRun ? this.#dryRun : this.#refused).get(rule)?.add(1);
  }
}
