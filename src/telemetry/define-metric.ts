// Definitions of metrics in few words, for catalogue.ts.
import type { MetricDefinition } from "./metrics.ts";

type Rest = Pick<MetricDefinition, "was" | "diesAs">;

/** A counter, as the catalogue writes it. */
export const counter = (
  name: string,
  labels: readonly string[],
  help: string,
  rest: Rest = {},
): MetricDefinition => ({
  kind: "counter",
  name,
  labels,
  help,
  ...rest,
});

/** A gauge. */
export const gauge = (
  name: string,
  labels: readonly string[],
  help: string,
  rest: Rest = {},
): MetricDefinition => ({
  kind: "gauge",
  name,
  labels,
  help,
  ...rest,
});

/** A histogram; the bounds of its buckets are the powers of two from 2^first to 2^last. */
export const histogram = (
  name: string,
  labels: readonly string[],
  help: string,
  buckets: { readonly first: number; readonly last: number },
  rest: Rest = {},
): MetricDefinition => ({ kind: "histogram", name, labels, help, buckets, ...rest });

/** 64 µs to 67 s. */
export const MICROS = { first: 6, last: 26 };
/** 1 µs to 1 s. */
export const SHORT_MICROS = { first: 0, last: 20 };
/** 1 ms to 36 h. */
export const MILLIS = { first: 0, last: 27 };
/** 64 B to 16 GiB. */
export const BYTES = { first: 6, last: 34 };
