// The chart of a run as SVG: for each row a bar per proxy, as a ratio to the better peer. Pure, no dependencies.
import type { Run } from "./report.ts";
import { compare, type Comparison, type Figures } from "./results.ts";
import { significant } from "./report.ts";

const WIDTH = 860;
const LABEL_WIDTH = 270;
/** For the figures, in a column of their own. */
const RIGHT = 150;
const BAR = 12;
const GAP = 16;
const TOP = 76;
const BOTTOM = 30;
/** A bar that would be longer ends here: its figure tells. */
const LONGEST_RATIO = 2.5;

/** An <img> of this file follows the reader's scheme. Plain classes: not every viewer knows CSS variables. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .soft { font-size: 11px; fill: #656d76 }
  .title { font-size: 16px; font-weight: 600 }
  .line { stroke: #d0d7de }
  .one { stroke: #656d76 }
  .target { stroke: #cf222e; stroke-width: 2 }
  .ours { fill: #0969da }
  .base { fill: #8250df }
  .peer0 { fill: #9aa4af }
  .peer1 { fill: #c3cad1 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .soft { fill: #9198a1 }
    .line { stroke: #3d444d }
    .one { stroke: #9198a1 }
    .target { stroke: #ff7b72 }
    .ours { fill: #4493f8 }
    .base { fill: #ab7df8 }
    .peer0 { fill: #7d8590 }
    .peer1 { fill: #545d68 }
  }`;

/** The chart of all rows in which ours and a peer have figures; undefined when there is none. */
export function chart(run: Run): string | undefined {
  const rows = run.results
    .filter(({ field }) => field === "peers")
    .map(compare)
    .filter(({ figures }) => figures.some(({ kind, ratio }) => kind === "ours" && ratio));
  const [first] = rows;
  if (first === undefined) return undefined;
  const names = first.figures.map(({ name }) => name.replace(/^ours/, "linkerd-tcp"));
  const classes = classesOf(first.figures);
  const rowHeight = names.length * BAR + GAP;
  const height = TOP + rows.length * rowHeight + BOTTOM;
  const parts = [
    `<text class="title" x="16" y="28">Cost of each kind of work: the better peer is 1, less is better</text>`,
    legend(names, classes),
    scale(height),
    ...rows.map((row, index) => group(row, classes, TOP + index * rowHeight)),
    `<text class="soft" x="16" y="${height - 10}">${escaped(footnote(run))}</text>`,
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="linkerd-tcp beside its peers">
<style>${STYLE}
</style>
${parts.join("\n")}
</svg>
`;
}

function classesOf(figures: readonly Figures[]): string[] {
  const seen = { ours: 0, peer: 0 };
  return figures.map(({ kind }) => {
    const index = seen[kind]++;
    return kind === "ours" ? (["ours", "base"][index] ?? "base") : `peer${Math.min(index, 1)}`;
  });
}

function legend(names: readonly string[], classes: readonly string[]): string {
  let x = 16;
  const items = names.map((name, index) => {
    const at = x;
    x += 34 + name.length * 8;
    return `<rect class="${classes[index]}" x="${at}" y="42" width="12" height="12" rx="2"/><text x="${at + 18}" y="53">${escaped(name)}</text>`;
  });
  const target = `<line class="target" x1="${x + 6}" x2="${x + 6}" y1="41" y2="55"/><text x="${x + 14}" y="53">target</text>`;
  return [...items, target].join("\n");
}

function scale(height: number): string {
  return [0, 0.5, 1, 1.5, 2, 2.5]
    .map((ratio) => {
      const x = xOf(ratio);
      const kind = ratio === 1 ? "one" : "line";
      return `<line class="${kind}" x1="${x}" x2="${x}" y1="${TOP - 6}" y2="${height - BOTTOM}"/><text class="soft" x="${x}" y="${TOP - 10}" text-anchor="middle">${ratio}×</text>`;
    })
    .join("\n");
}

function group({ row, figures }: Comparison, classes: readonly string[], top: number): string {
  const middle = top + (figures.length * BAR) / 2;
  const bars = figures.map((each, index) =>
    bar(each, row.unit, classes[index] ?? "", top + index * BAR),
  );
  const target =
    row.target?.kind === "ratio"
      ? `<line class="target" x1="${xOf(row.target.atMost)}" x2="${xOf(row.target.atMost)}" y1="${top - 2}" y2="${top + BAR}"/>`
      : "";
  return [
    `<text x="${LABEL_WIDTH - 10}" y="${middle + 4}" text-anchor="end">${escaped(row.label)}</text>`,
    ...bars,
    target,
  ].join("\n");
}

function bar(
  { failure, ratio, summary }: Figures,
  unit: string,
  kind: string,
  top: number,
): string {
  if (failure !== undefined || ratio === undefined) {
    return `<text class="soft" x="${WIDTH - 16}" y="${top + 9}" text-anchor="end">${failure === undefined ? "–" : "FAILED"}</text>`;
  }
  const end = xOf(Math.min(ratio.median, LONGEST_RATIO));
  const value = `${ratio.median.toFixed(2)}× · ${significant(summary.median)} ${unit}`;
  return `<rect class="${kind}" x="${xOf(0)}" y="${top}" width="${round(end - xOf(0))}" height="${BAR - 2}" rx="1"/><text class="soft" x="${WIDTH - 16}" y="${top + 9}" text-anchor="end">${escaped(value)}</text>`;
}

function footnote({ facts, rounds }: Run): string {
  return `${facts.cpu}, ${facts.cores} cores; medians of ${rounds} interleaved rounds; ${facts.date}, commit ${facts.commit}`;
}

function xOf(ratio: number): number {
  return round(LABEL_WIDTH + (ratio / LONGEST_RATIO) * (WIDTH - LABEL_WIDTH - RIGHT));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
