// What namerd's admin server answers, where namerd had it, and where Prometheus looks.
import { type Answer, json } from "../admin/answer.ts";
import type { ServedRoute } from "../admin/server.ts";
import type { MetricFamily } from "../telemetry/metrics.ts";
import { PROMETHEUS_TYPE, prometheusText } from "../telemetry/prometheus.ts";

/** What the admin server may ask of namerd. */
export interface NamerdAdmin {
  readonly version: string;
  /** `ip:port` of each interface. */
  readonly interfaces: readonly string[];
  /** Undefined while the store has not told. */
  namespaces(): readonly string[] | undefined;
  /** All metrics as they are now. */
  metrics(): readonly MetricFamily[];
  /** The configuration as it was given, without secrets. */
  config(): unknown;
  shutdown(): void;
}

const TEXT = "text/plain; charset=utf-8";

/** All routes. */
export function namerdRoutes(namerd: NamerdAdmin): readonly ServedRoute[] {
  const prometheus = (): Answer => ({
    type: PROMETHEUS_TYPE,
    body: prometheusText(namerd.metrics()),
  });
  const get = (path: string, handle: () => Answer): ServedRoute => ({
    method: "GET",
    path,
    handle,
  });
  const routes: ServedRoute[] = [
    get("/", () => ({ type: TEXT, body: overview(namerd, routes) })),
    get("/admin", () => ({ type: TEXT, body: list(routes) })),
    get("/admin/ping", () => ({ type: TEXT, body: "pong" })),
    get("/admin/metrics.json", () => json(flat(namerd.metrics()))),
    get("/admin/metrics/prometheus", prometheus),
    get("/metrics", prometheus),
    get("/config.json", () => json(namerd.config())),
    {
      method: "POST",
      path: "/admin/shutdown",
      handle: () => ({ type: TEXT, body: "quitting\n", afterwards: () => namerd.shutdown() }),
    },
  ];
  return routes;
}

function overview(namerd: NamerdAdmin, routes: readonly ServedRoute[]): string {
  const namespaces = namerd.namespaces();
  const names = namespaces?.map((name) => `  ${name}\n`).join("") || "  none\n";
  return (
    `linkerd-tcp namerd ${namerd.version}\n\n` +
    `HTTP API:\n${namerd.interfaces.map((address) => `  http://${address}/api/1/\n`).join("")}\n` +
    `Namespaces:\n${namespaces === undefined ? "  not known yet\n" : names}\n` +
    `Here:\n${list(routes, "  ")}`
  );
}

function list(routes: readonly ServedRoute[], indent = ""): string {
  return routes
    .map(({ method, path }) => `${indent}${method === "GET" ? "" : `${method} `}${path}\n`)
    .join("");
}

/** One number for each series: of a histogram its count. */
function flat(families: readonly MetricFamily[]): Readonly<Record<string, number>> {
  const numbers: Record<string, number> = {};
  for (const { definition, series } of families) {
    for (const { labels, numbers: all } of series) {
      const pairs = definition.labels.map((label, at) => `${label}="${labels[at] ?? ""}"`);
      const key = pairs.length === 0 ? definition.name : `${definition.name}{${pairs.join(",")}}`;
      const isHistogram = definition.kind === "histogram";
      // The last slot of a histogram is the sum of what it counted.
      numbers[isHistogram ? `${key}.count` : key] = isHistogram
        ? all.slice(0, -1).reduce((sum, number) => sum + number, 0)
        : (all[0] ?? 0);
    }
  }
  return numbers;
}
