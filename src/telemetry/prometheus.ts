// Writes metrics as Prometheus reads them: text exposition format 0.0.4.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
import type { MetricDefinition, MetricFamily, MetricSeries } from "./metrics.ts";

/** The media type of what `prometheusText` writes. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Families as text, each ended by a newline; those without series are left out. Label names come sorted. */
export function prometheusText(families: readonly MetricFamily[]): string {
  const pieces: string[] = [];
  for (const { definition, series } of families) {
    if (series.length === 0) continue;
    const { name, help, kind } = definition;
    pieces.push(`# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${kind}\n`);
    const order = sortedLabels(definition);
    for (const one of series) {
      if (kind === "histogram") writeHistogram(pieces, definition, order, one);
      else pieces.push(`${name}${braces(labelPairs(order, one))} ${number(one.numbers[0] ?? 0)}\n`);
    }
  }
  return pieces.join("");
}

interface LabelAt {
  readonly name: string;
  readonly index: number;
}

function sortedLabels(definition: MetricDefinition): readonly LabelAt[] {
  const labels = definition.labels.map((name, index) => ({ name, index }));
  return labels.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function labelPairs(order: readonly LabelAt[], series: MetricSeries): string[] {
  return order.map(({ name, index }) => `${name}="${escapeLabel(series.labels[index] ?? "")}"`);
}

function braces(pairs: readonly string[]): string {
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function writeHistogram(
  pieces: string[],
  { name, buckets }: MetricDefinition,
  order: readonly LabelAt[],
  series: MetricSeries,
): void {
  const { first, last } = buckets ?? { first: 0, last: 0 };
  const overflow = last - first + 1;
  const pairs = labelPairs(order, series);
  // `le` has its place among the sorted names too; the text around it is the same in all buckets.
  const at = order.filter((label) => label.name < "le").length;
  const head = pairs
    .slice(0, at)
    .map((pair) => `${pair},`)
    .join("");
  const tail = pairs
    .slice(at)
    .map((pair) => `,${pair}`)
    .join("");
  const before = `${name}_bucket{${head}le="`;
  const after = `"${tail}} `;
  let count = 0;
  for (let bucket = 0; bucket <= overflow; bucket++) {
    count += series.numbers[bucket] ?? 0;
    const bound = bucket === overflow ? "+Inf" : number(2 ** (first + bucket));
    // In pieces: most of a page are buckets, and a string for each would be as much garbage again.
    pieces.push(before, bound, after, number(count), "\n");
  }
  const labels = braces(pairs);
  pieces.push(`${name}_sum${labels} ${number(series.numbers[overflow + 1] ?? 0)}\n`);
  // Made from the buckets, not kept apart: a count that differs from +Inf would make the histogram invalid.
  pieces.push(`${name}_count${labels} ${number(count)}\n`);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  // JavaScript writes integers from 1e21 with an exponent; a BigInt never has one.
  return Number.isInteger(value) && Math.abs(value) >= 1e21 ? String(BigInt(value)) : String(value);
}
