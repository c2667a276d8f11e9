// Handles of metrics: what the code that counts holds. A handle is a place in a page of numbers that this thread
// writes and the control thread reads, so counting is an addition and nothing else.

/** One metric family, as declared in catalogue.ts. */
export interface MetricDefinition {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Label names, in the order in which values are given. */
  readonly labels: readonly string[];
  /** The name in linkerd-tcp 0.1, where it had one. */
  readonly was?: string;
  /** Histograms only: upper bounds of the buckets are the powers of two from 2^first to 2^last; 0 <= first <= last. */
  readonly buckets?: { readonly first: number; readonly last: number };
  /**
   * Gauges only: how the values of several threads become one. `max` is for what every thread sees alike, such as
   * how many endpoints there are; without it values are summed.
   */
  readonly combine?: "max";
  /**
   * Gauges only: counters that take what the gauge says of a thread that dies, so that sums go on to add up. Their labels
   * are those of the gauge, and `labels`.
   */
  readonly diesAs?: readonly {
    readonly counter: string;
    readonly labels?: Readonly<Record<string, string>>;
  }[];
}

/** One series as it is read: what is shown, apart from its name. */
export interface MetricSeries {
  /** In the order of the definition's label names. */
  readonly labels: readonly string[];
  /** One number; for histograms the slots that `Histogram` describes. */
  readonly numbers: readonly number[];
}

/** All series of one definition. */
export interface MetricFamily {
  readonly definition: MetricDefinition;
  readonly series: readonly MetricSeries[];
}

/** A number that only grows. */
export class Counter {
  readonly #page: Float64Array;
  readonly #slot: number;

  constructor(page: Float64Array, slot: number) {
    this.#page = page;
    this.#slot = slot;
  }

  /** Adds `amount`, 0 or more. */
  add(amount: number): void {
    this.#page[this.#slot] = (this.#page[this.#slot] as number) + amount;
  }

  get value(): number {
    return this.#page[this.#slot] as number;
  }
}

/** A number that goes up and down. */
export class Gauge {
  readonly #page: Float64Array;
  readonly #slot: number;

  constructor(page: Float64Array, slot: number) {
    this.#page = page;
    this.#slot = slot;
  }

  add(amount: number): void {
    this.#page[this.#slot] = (this.#page[this.#slot] as number) + amount;
  }

  set(value: number): void {
    this.#page[this.#slot] = value;
  }

  get value(): number {
    return this.#page[this.#slot] as number;
  }
}

/**
 * Counts values by size. Buckets end at powers of two, so that finding one is a count of leading zeros and needs no
 * search. Slots: one a bucket, one for what is larger than the last bound, one for the sum.
 */
export class Histogram {
  readonly #page: Float64Array;
  readonly #slot: number;
  readonly #first: number;
  readonly #overflow: number;

  constructor(page: Float64Array, slot: number, first: number, last: number) {
    this.#page = page;
    this.#slot = slot;
    this.#first = first;
    this.#overflow = last - first + 1;
  }

  /** Counts `value`, a finite number; it is taken as 0 when negative or NaN. */
  observe(value: number): void {
    const size = value > 0 ? value : 0;
    const slot = this.#slot + bucketOf(size, this.#first, this.#overflow);
    this.#page[slot] = (this.#page[slot] as number) + 1;
    const sum = this.#slot + this.#overflow + 1;
    this.#page[sum] = (this.#page[sum] as number) + size;
  }
}

/** How many slots a histogram with these buckets takes. */
export function histogramSlots(first: number, last: number): number {
  return last - first + 3;
}

function bucketOf(value: number, first: number, overflow: number): number {
  // The smallest power of two that is no smaller than the value: 2^ceil(log2(value)).
  if (value <= 1) return 0;
  const exponent =
    value <= 0x8000_0000 ? 32 - Math.clz32(Math.ceil(value) - 1) : Math.ceil(Math.log2(value));
  const bucket = exponent - first;
  if (bucket <= 0) return 0;
  return bucket < overflow ? bucket : overflow;
}
