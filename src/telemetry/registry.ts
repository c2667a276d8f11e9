// Where a thread's metrics live: pages of shared memory, and a list of what stands in which slot.
// The owner writes numbers; the control thread reads them when somebody asks (see aggregate.ts).
import { Counter, Gauge, Histogram, histogramSlots, type MetricDefinition } from "./metrics.ts";

/** Numbers in a page: 8 KiB of memory. */
const PAGE_SLOTS = 1024;

/**
 * What a registry tells those who read its numbers. Plain data: it crosses threads.
 *
 * `series` numbers a registry's series from 1 and is never used twice. It stands in `slot` as long as the place is the
 * series' own, the series' numbers behind it: messages come later than writes, so a reader that finds another number
 * there, after having read, knows that the place has a new owner already.
 */
export type RegistryEvent =
  | { readonly type: "page"; readonly page: number; readonly buffer: SharedArrayBuffer }
  | {
      readonly type: "declare";
      readonly series: number;
      readonly page: number;
      readonly slot: number;
      readonly definition: MetricDefinition;
      readonly labels: readonly string[];
    }
  /** `numbers` are the last ones, because the place may be another's when this is read. */
  | { readonly type: "release"; readonly series: number; readonly numbers: readonly number[] };

interface Place {
  readonly page: number;
  readonly slot: number;
  /** Taken up in all, the series number included. */
  readonly slots: number;
}

interface Claim {
  readonly series: number;
  readonly place: Place;
}

/** Hands out the metrics of one thread. Not for the data path: get handles once, then count with them. */
export class Registry {
  readonly #publish: (event: RegistryEvent) => void;
  readonly #pages: Float64Array[] = [];
  #used = PAGE_SLOTS;
  #lastSeries = 0;
  readonly #free = new Map<number, Place[]>();
  readonly #claims = new WeakMap<object, Claim>();

  constructor(publish: (event: RegistryEvent) => void) {
    this.#publish = publish;
  }

  /**
   * A new series of `definition`; `labels` are values in the order of the definition's label names. Throws TypeError
   * when the definition is of another kind or has another number of labels, which is a mistake of the caller's code.
   */
  counter(definition: MetricDefinition, ...labels: readonly string[]): Counter {
    check(definition, "counter", labels);
    const { claim, page } = this.#declare(definition, labels, 1);
    return this.#remember(new Counter(page, claim.place.slot + 1), claim);
  }

  /** As `counter`. */
  gauge(definition: MetricDefinition, ...labels: readonly string[]): Gauge {
    check(definition, "gauge", labels);
    const { claim, page } = this.#declare(definition, labels, 1);
    return this.#remember(new Gauge(page, claim.place.slot + 1), claim);
  }

  /** As `counter`. */
  histogram(definition: MetricDefinition, ...labels: readonly string[]): Histogram {
    check(definition, "histogram", labels);
    const { first, last } = definition.buckets ?? { first: 0, last: 0 };
    const { claim, page } = this.#declare(definition, labels, histogramSlots(first, last));
    return this.#remember(new Histogram(page, claim.place.slot + 1, first, last), claim);
  }

  /** Ends a series: it is shown no more and its place is used again. The handle must not be used afterwards. */
  release(handle: Counter | Gauge | Histogram): void {
    const claim = this.#claims.get(handle);
    if (claim === undefined) return;
    this.#claims.delete(handle);
    const { place, series } = claim;
    const page = this.#pages[place.page] as Float64Array;
    const numbers = Array.from(page.subarray(place.slot + 1, place.slot + place.slots));
    this.#publish({ type: "release", series, numbers });
    const free = this.#free.get(place.slots) ?? [];
    free.push(place);
    this.#free.set(place.slots, free);
  }

  #remember<Handle extends object>(handle: Handle, claim: Claim): Handle {
    this.#claims.set(handle, claim);
    return handle;
  }

  #declare(
    definition: MetricDefinition,
    labels: readonly string[],
    numbers: number,
  ): { claim: Claim; page: Float64Array } {
    const place = this.#free.get(numbers + 1)?.pop() ?? this.#allocate(numbers + 1);
    const series = ++this.#lastSeries;
    const page = this.#pages[place.page] as Float64Array;
    // First the series, so that no reader takes the zeros for numbers of the last owner.
    page[place.slot] = series;
    page.fill(0, place.slot + 1, place.slot + place.slots);
    const { page: pageIndex, slot } = place;
    this.#publish({ type: "declare", series, page: pageIndex, slot, definition, labels });
    return { claim: { series, place }, page };
  }

  #allocate(slots: number): Place {
    if (this.#used + slots > PAGE_SLOTS) {
      const buffer = new SharedArrayBuffer(PAGE_SLOTS * Float64Array.BYTES_PER_ELEMENT);
      this.#publish({ type: "page", page: this.#pages.length, buffer });
      this.#pages.push(new Float64Array(buffer));
      this.#used = 0;
    }
    const place = { page: this.#pages.length - 1, slot: this.#used, slots };
    this.#used += slots;
    return place;
  }
}

function check(
  definition: MetricDefinition,
  kind: MetricDefinition["kind"],
  labels: readonly string[],
): void {
  if (definition.kind === kind && definition.labels.length === labels.length) return;
  throw new TypeError(
    `${definition.name} is a ${definition.kind} with ${definition.labels.length} labels, ` +
      `not a ${kind} with ${labels.length}`,
  );
}
