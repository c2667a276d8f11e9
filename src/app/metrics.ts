// The metrics page: what workers count, what the control thread counts, and what is made when somebody looks.
import { Aggregate } from "../telemetry/aggregate.ts";
import { BALANCER_METRICS } from "../telemetry/catalogue.ts";
import { EndpointMetrics } from "../telemetry/endpoint-metrics.ts";
import type { MetricFamily } from "../telemetry/metrics.ts";
import { ProcessMetrics } from "../telemetry/process-metrics.ts";
import { prometheusText } from "../telemetry/prometheus.ts";
import { Registry } from "../telemetry/registry.ts";
import type { Destination } from "../control/destination.ts";
import { formatAddress } from "../lib/address.ts";
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

  #endpointFamilies(destinations: readonly Destination[]): MetricFamily[] {
    const samples = destinations.flatMap(({ router, path, endpoints }) =>
      endpoints.map(({ spec, row }) => ({
        router,
        dst: path,
        endpoint: formatAddress(spec),
        weight: spec.weight,
        row,
      })),
    );
    return this.#endpoints.collect(samples);
  }
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
  return [
    count(
      BALANCER_METRICS.available,
      ({ spec, retired, row }) => !retired && row.ejected === 0 && spec.weight > 0,
    ),
    count(BALANCER_METRICS.failed, ({ retired, row }) => !retired && row.ejected > 0),
    count(BALANCER_METRICS.retired, ({ retired }) => retired),
  ];
}

type Entry = Destination["endpoints"][number];
