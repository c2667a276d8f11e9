// What a run found, and what it means: ratios within rounds, and targets met or missed. Pure.
import { pairedRatios, type Summary, summarize } from "./statistics.ts";
import type { Field, Row } from "./work/workload.ts";

/** The samples of one proxy in one row. */
export interface Column {
  readonly name: string;
  readonly kind: "ours" | "peer";
  /** One for each round; undefined where the round was not finished. */
  readonly samples: readonly (number | undefined)[];
  /** Why the row has failed for this proxy, if it has. */
  readonly failure?: string;
}

/** One row with all its proxies; the first of ours is the one that is judged. */
export interface RowResult {
  readonly row: Row;
  readonly field: Field;
  readonly columns: readonly Column[];
}

/** A column with its figures. */
export interface Figures {
  readonly name: string;
  readonly kind: "ours" | "peer";
  readonly failure: string | undefined;
  readonly summary: Summary;
  /** Against the reference of the row; undefined for want of one. */
  readonly ratio: Summary | undefined;
}

export type Verdict = "met" | "missed" | "FAILED" | "–";

/** A row as the report shows it. */
export interface Comparison {
  readonly row: Row;
  readonly figures: readonly Figures[];
  /** What the ratios are against: the better peer, one worker, or ours relaying. */
  readonly reference: string | undefined;
  readonly verdict: Verdict;
  /** Ours against the other commit of ours, when there is one. */
  readonly change: Summary | undefined;
}

/** Compares the columns of a row with its reference. */
export function compare({ row, field, columns }: RowResult): Comparison {
  const judged = columns.find(({ kind }) => kind === "ours");
  const besidePeers = field === "peers" || field === "rsa";
  const others = columns.filter((column) =>
    besidePeers ? column.kind === "peer" : column.kind === "ours" && column !== judged,
  );
  const reference = others
    .filter(({ failure }) => failure === undefined)
    .toSorted((a, b) => summarize(known(a)).median - summarize(known(b)).median)[0];
  const figures = columns.map((column) => ({
    name: column.name,
    kind: column.kind,
    failure: column.failure,
    summary: summarize(known(column)),
    ratio: ratioOf(column, reference),
  }));
  const other = columns.find((column) => column.kind === "ours" && column !== judged);
  return {
    row,
    figures,
    reference: reference?.name,
    verdict: verdictOf(
      row,
      figures.find(({ name }) => name === judged?.name),
    ),
    change: besidePeers && judged !== undefined ? ratioOf(judged, other) : undefined,
  };
}

function verdictOf({ target }: Row, figures: Figures | undefined): Verdict {
  if (figures === undefined) return "–";
  if (figures.failure !== undefined) return "FAILED";
  if (target === undefined) return "–";
  const value =
    target.kind === "absolute" ? figures.summary.median : (figures.ratio?.median ?? Number.NaN);
  if (Number.isNaN(value)) return "–";
  return value <= target.atMost ? "met" : "missed";
}

function ratioOf(column: Column, reference: Column | undefined): Summary | undefined {
  if (reference === undefined || column.failure !== undefined) return undefined;
  const ratios = pairedRatios(column.samples, reference.samples);
  return ratios.length === 0 ? undefined : summarize(ratios);
}

function known({ samples }: Column): number[] {
  return samples.filter((sample) => sample !== undefined);
}
