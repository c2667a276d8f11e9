// Medians and spreads of samples.

/** The middle of some samples, and how far they lie apart. */
export interface Summary {
  readonly median: number;
  /** First and third quartile. */
  readonly low: number;
  readonly high: number;
}

/** The value below which the given share of `values` lies, by linear interpolation; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** Median and quartiles. */
export function summarize(values: readonly number[]): Summary {
  return {
    median: quantile(values, 0.5),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
  };
}

/** What each round says of `value` against `reference`: pairs of one round see the same machine. */
export function pairedRatios(
  values: readonly (number | undefined)[],
  references: readonly (number | undefined)[],
): number[] {
  return values.flatMap((value, round) => {
    const reference = references[round];
    return value === undefined || reference === undefined ? [] : [value / reference];
  });
}
