// The metrics page: what workers count, what the control thread counts, and what is made when somebody looks.
import { Aggregate } from "../telemetry/aggregate.ts";
import { BALANCER_METRICS } from "../telemetry/catalogue/balancer.ts";
import { EJECTION_METRICS } from "../telemetry/catalogue/ejection.ts";
import type { EjectionKind } from "../telemetry/ejection-note.ts";
import { EndpointMetrics, type EndpointSample } from "../telemetry/endpoint-metrics.ts";
import type { MetricFamily } from "../telemetry/metrics.ts";
import { ProcessMetrics } from "../telemetry/process-metrics.ts";
import { prometheusText } from "../telemetry/prometheus.ts";
import { Registry } from "../telemetry/registry.ts";
import type { Destination } from "../control/destination.ts";
import { formatAddress } from "../lib/address.ts";
import type { Destinations } from "./destinations.ts";
import { liveCounts } from "./live-counts.ts";
import type { LiveNumbers } from "./reload/describe.ts";
import { destinationKey } from "./reload/plan.ts";
import type { Servers } from "./servers.ts";
import { VERSION } from "./version.ts";

export class Metrics {
  readonly aggregate = new Aggregate();
  /** The control thread's own. */
  readonly registry = new Registry(this.aggregate.source("control"));
  readonly #process = new ProcessMetrics(this.registry, {
    version: VERSION,
    bun: process.versions.bun ?? "",
  });
  readonly #endpoints = new EndpointMetrics();

  /** The page in Prometheus text format, made now. */
  render(destinations: readonly Destination[]): string {
    this.#process.refresh();
    const made = [...this.#endpointFamilies(destinations), ...endpointCounts(destinations)];
    return prometheusText(this.aggregate.collect(made));
  }

  /** Numbers of now, of what a plan touches. */
  live(servers: Servers, destinations: Destinations): LiveNumbers {
    const counts = liveCounts(this.aggregate);
    const loads = new Map(
      destinations.all.map(({ router, path, endpoints }) => [
        destinationKey(router, path),
        endpoints.reduce((sum, { row }) => sum + row.load, 0),
      ]),
    );
    return {
      server: (key) => {
        const bound = servers.find(key);
        if (bound === undefined) return { address: key, active: 0 };
        const address = formatAddress(bound.socket);
        return { address, active: counts.server(bound.router, address).active ?? 0 };
      },
      destination: (router, path) => loads.get(destinationKey(router, path)) ?? 0,
    };
  }

  #endpointFamilies(destinations: readonly Destination[]): MetricFamily[] {
    return this.#endpoints.collect(destinations.flatMap(endpointSamples));
  }
}

/** One sample for each address: an address in two branches of a destination is two endpoints, and one series. */
function endpointSamples({ router, path, endpoints }: Destination): EndpointSample[] {
  const byAddress = new Map<string, EndpointSample>();
  for (const { spec, row, retired } of endpoints) {
    const endpoint = formatAddress(spec);
    const weight = retired ? 0 : spec.weight;
    const other = byAddress.get(endpoint);
    const sample = { router, dst: path, endpoint, weight, row };
    byAddress.set(endpoint, other === undefined ? sample : joined(sample, other));
  }
  return [...byAddress.values()];
}

function joined(a: EndpointSample, b: EndpointSample): EndpointSample {
  const row = {
    load: a.row.load + b.row.load,
    connects: a.row.connects + b.row.connects,
    failures: a.row.failures + b.row.failures,
    ejected: Math.max(a.row.ejected, b.row.ejected),
  };
  return { ...a, weight: a.weight + b.weight, row };
}

/** How many endpoints are in which state: known to the control thread alone, as a worker knows only its own view. */
function endpointCounts(destinations: readonly Destination[]): MetricFamily[] {
  const count = (
    definition: MetricFamily["definition"],
    counted: (entry: Entry) => boolean,
  ): MetricFamily => ({
    definition,
    series: destinations.map(({ router, path, endpoints }) => ({
      labels: [path, router],
      numbers: [endpoints.filter(counted).length],
    })),
  });
  const noted =
    (kind: EjectionKind) =>
    ({ retired, row }: Entry): boolean =>
      !retired && row.noted(kind) > 0;
  const isEjected = noted("ejected");
  const ratio: MetricFamily = {
    definition: EJECTION_METRICS.ejectedRatio,
    series: destinations.map(({ router, path, endpoints }) => {
      const live = endpoints.filter(({ retired }) => !retired).length;
      return {
        labels: [path, router],
        numbers: [live === 0 ? 0 : endpoints.filter(isEjected).length / live],
      };
    }),
  };
  return [
    count(
      BALANCER_METRICS.available,
      ({ spec, retired, row }) =>
        !retired && row.ejected === 0 && spec.weight > 0 && spec.healthy && spec.enabled,
    ),
    count(BALANCER_METRICS.failed, isEjected),
    count(BALANCER_METRICS.retired, ({ retired }) => retired),
    ratio,
    count(EJECTION_METRICS.wouldBeEjected, noted("dry_run")),
    count(EJECTION_METRICS.endpointsWithheld, noted("withheld")),
  ];
}

type Entry = Destination["endpoints"][number];
