// docs/reference/metrics.md: every metric, with its name in linkerd-tcp 0.1.
import { CATALOGUE } from "../../src/telemetry/catalogue.ts";
import type { MetricDefinition } from "../../src/telemetry/metrics.ts";
import { code, GENERATED, page, table } from "./markdown.ts";

const INTRODUCTION = `\`GET /metrics\` of the admin server gives these in the text format of Prometheus. All of them count from the
start of the process and are current at every request. What linkerd-tcp 0.1 had keeps its name with \`_\` for \`:\`, except
that counters end in \`_total\`; the last column is the name it had.

A histogram \`x\` is the series \`x_bucket\`, \`x_sum\` and \`x_count\`. The upper bounds of its buckets are powers of two, fixed, so
that \`rate()\` and \`histogram_quantile()\` work on them; in 0.1 they covered one interval and moved.`;

/** The page as Markdown. */
export function metricsPage(): string {
  const rows = CATALOGUE.map((metric) => [
    code(metric.name),
    kindOf(metric),
    metric.labels.map(code).join(", "),
    metric.help,
    metric.was === undefined ? "" : code(metric.was),
  ]);
  return page(
    GENERATED,
    "# Metrics",
    INTRODUCTION,
    table(["Name", "Kind", "Labels", "Meaning", "0.1 name"], rows),
  );
}

function kindOf({ kind, buckets }: MetricDefinition): string {
  return buckets === undefined ? kind : `${kind}, 2^${buckets.first} to 2^${buckets.last}`;
}
