// Numbers of all workers that the status page shows, found among the metrics by what they are of.
import type { Aggregate } from "../telemetry/aggregate.ts";
import { BALANCER_METRICS } from "../telemetry/catalogue/balancer.ts";
import { SERVER_METRICS } from "../telemetry/catalogue/server.ts";
import type { MetricDefinition } from "../telemetry/metrics.ts";

/** Undefined for what nobody counts: no worker has it, or the system does not tell. */
export interface LiveCounts {
  /** `address` is the bound `ip:port`. */
  readonly server: (router: string, address: string) => ServerCounts;
  readonly destination: (router: string, path: string) => DestinationCounts;
}

export interface ServerCounts {
  /** Connections that have not ended. */
  readonly active: number | undefined;
  /** Those of them that have no endpoint yet. */
  readonly waiters: number | undefined;
  /** Connections in the kernel's queue. */
  readonly queue: number | undefined;
}

export interface DestinationCounts {
  /** Sessions that wait for an endpoint. */
  readonly waiters: number | undefined;
  /** Retries that may begin at once. */
  readonly retryBudget: number | undefined;
}

/** The numbers of now. */
export function liveCounts(aggregate: Aggregate): LiveCounts {
  const families = new Map(
    aggregate.collect().map(({ definition, series }) => [definition.name, series]),
  );
  const byLabels = ({ name }: MetricDefinition): ReadonlyMap<string, number | undefined> =>
    new Map(families.get(name)?.map(({ labels, numbers }) => [labels.join("\n"), numbers[0]]));
  const [active, waiters, queue, waiting, budget] = [
    SERVER_METRICS.active,
    SERVER_METRICS.waiters,
    SERVER_METRICS.queue,
    BALANCER_METRICS.waiters,
    BALANCER_METRICS.retryBudget,
  ].map(byLabels);
  return {
    server(router, address) {
      const key = `${router}\n${address}`;
      return { active: active?.get(key), waiters: waiters?.get(key), queue: queue?.get(key) };
    },
    destination(router, path) {
      const key = `${path}\n${router}`;
      return { waiters: waiting?.get(key), retryBudget: budget?.get(key) };
    },
  };
}
