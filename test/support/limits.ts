// Limits of a server without a server: as the control thread makes them, and as its workers use them.
import { Admission, type Load } from "../../src/admission/admission.ts";
import {
  type LimitsParts,
  newServerLimits,
  type ServerLimits,
} from "../../src/admission/limits-memory.ts";
import { LimitMetrics } from "../../src/admission/metrics.ts";
import type { LimitsConfig } from "../../src/config/types.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { Aggregate } from "../../src/telemetry/aggregate.ts";
import { Registry } from "../../src/telemetry/registry.ts";

const NO_LIMITS: LimitsConfig = {
  allow: undefined,
  deny: [],
  rate: undefined,
  perSource: undefined,
  networks: [],
  dryRun: false,
};

export function limitsConfig(config: Partial<LimitsConfig>): LimitsConfig {
  return { ...NO_LIMITS, ...config };
}

/** Limits of each source: `maxConnections` at a time, addresses as wide as they are by default. */
export function perSource(maxConnections: number, rate?: LimitsConfig["rate"]) {
  return { maxConnections, rate, ipv4PrefixLength: 32, ipv6PrefixLength: 64 };
}

export function limitsParts(config: Partial<LimitsConfig>, workers = 1): LimitsParts {
  return { config: limitsConfig(config), workers, maxConnections: 1_000, seed: 42 };
}

export function serverLimits(config: Partial<LimitsConfig>, workers = 1): ServerLimits {
  return newServerLimits(limitsParts(config, workers), 0);
}

/** The admissions of all workers. */
export function admissions(config: Partial<LimitsConfig>, clock: Clock, workers = 1, load?: Load) {
  const limits = serverLimits(config, workers);
  const aggregate = new Aggregate();
  const all = Array.from({ length: workers }, (_, worker) => {
    const registry = new Registry(aggregate.source(String(worker)));
    return new Admission({
      limits,
      load,
      worker,
      clock,
      clockOffsetMs: 0,
      metrics: new LimitMetrics(registry, "rt", "127.0.0.1:1"),
    });
  });
  /** Connections that a rule refused, by action and rule; those that did not are left out. */
  const limited = (): Readonly<Record<string, number>> => {
    const family = aggregate
      .collect()
      .find(({ definition }) => definition.name === "l5d_srv_limited_total");
    const counts = (family?.series ?? []).map(
      ({ labels, numbers }) => [`${labels[0]} ${labels[1]}`, numbers[0] ?? 0] as const,
    );
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  };
  return { all, limits, limited };
}
