// The report of a run as Markdown. Pure.
import type { Facts } from "./machine.ts";
import { compare, type Comparison, type Figures, type RowResult } from "./results.ts";
import type { Summary } from "./statistics.ts";
import type { Field } from "./work/workload.ts";

/** A finished run. */
export interface Run {
  readonly facts: Facts;
  readonly rounds: number;
  readonly quick: boolean;
  /** How it was called. */
  readonly command: string;
  readonly results: readonly RowResult[];
}

/** The whole report. */
export function report(run: Run): string {
  const of = (...fields: readonly Field[]): readonly Comparison[] =>
    run.results.filter(({ field }) => fields.includes(field)).map(compare);
  const parts = [
    `# Benchmark of ${run.facts.date}, commit ${run.facts.commit}`,
    facts(run),
    table(of("peers", "rsa"), "better peer"),
    table(of("passthrough"), "plain relaying"),
    table(of("workers"), "one worker"),
    failures(run.results),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function facts({ facts: found, rounds, quick, command }: Run): string {
  const effort = quick ? " of short samples (`--quick`: for trying out, not for publishing)" : "";
  return [
    `- Machine: ${found.cpu}, ${found.cores} cores, ${found.memory}, ${found.kernel}; ${found.placement}.`,
    `- Versions: ${found.versions.join(", ")}.`,
    `- Load of the machine before the start: ${found.loadBefore}.`,
    `- \`${command}\`: ${rounds} interleaved rounds${effort}. Each figure is a median, with its quartiles; each ratio`,
    `  is the median of the ratios within each round. CPU is that of the proxy's process alone.`,
  ].join("\n");
}

/** Columns follow the proxies of the first row: all rows of a field have the same. */
function table(rows: readonly Comparison[], reference: string): string {
  const [first] = rows;
  if (first === undefined) return "";
  const names = first.figures.map(({ name }) => name);
  const withChange = rows.some(({ change }) => change !== undefined);
  const [judged = "ours", other] = first.figures
    .filter(({ kind }) => kind === "ours")
    .map(({ name }) => name);
  const head = [
    ...["work", "unit", ...names],
    `${judged} / ${reference}`,
    ...["target", "verdict", ...(withChange ? [`${judged} / ${other}`] : [])],
  ];
  const lines = rows.map((row) => [
    ...[row.row.label, row.row.unit, ...row.figures.map(figureCell)],
    ...[ratioCell(row), targetCell(row), verdictCell(row)],
    ...(withChange ? [row.change === undefined ? "–" : ratio(row.change)] : []),
  ]);
  const rule = head.map((_, index) => (index < 2 ? "---" : "---:"));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function figureCell({ failure, summary }: Figures): string {
  return failure === undefined ? spread(summary, significant) : "FAILED";
}

function ratioCell({ figures }: Comparison): string {
  const judged = figures.find(({ kind }) => kind === "ours");
  return judged?.ratio === undefined ? "–" : ratio(judged.ratio);
}

function targetCell({ row: { target, unit } }: Comparison): string {
  if (target === undefined) return "–";
  return target.kind === "ratio" ? `≤ ${target.atMost.toFixed(2)}` : `≤ ${target.atMost} ${unit}`;
}

function verdictCell({ verdict }: Comparison): string {
  return verdict === "missed" || verdict === "FAILED" ? `**${verdict}**` : verdict;
}

function ratio(summary: Summary): string {
  return spread(summary, (value) => value.toFixed(2));
}

function spread({ median, low, high }: Summary, format: (value: number) => string): string {
  if (Number.isNaN(median)) return "–";
  return `${format(median)} (${format(low)}–${format(high)})`;
}

/** Three digits that count. */
export function significant(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 4));
}

function failures(results: readonly RowResult[]): string {
  const lines = results.flatMap(({ row, columns }) =>
    columns.flatMap(({ name, failure }) =>
      failure === undefined ? [] : [`- ${row.label}, ${name}: ${failure}`],
    ),
  );
  return lines.length === 0 ? "" : ["Failures:", "", ...new Set(lines)].join("\n");
}
