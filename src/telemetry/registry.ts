// Where a thread's metrics live: pages of shared memory, and a list of what stands in which slot.
// The owner writes numbers; the control thread reads them when somebody asks (see aggregate.ts).
import { Counter, Gauge, Histogram, histogramSlots, type MetricDefinition } from "./metrics.ts";

/** Numbers in a page: 8 KiB of memory. */
const PAGE_SLOTS = 1024;

/** What a registry tells those who read its numbers. Plain data: it crosses threads. */
export type RegistryEvent =
  | { readonly type: "page"; readonly page: number; readonly buffer: SharedArrayBuffer }
  | {
      readonly type: "declare";
      readonly page: number;
      readonly slot: number;
      readonly definition: MetricDefinition;
      readonly labels: readonly string[];
    }
  | { readonly type: "release"; readonly page: number; readonly slot: number };

interface Place {
  readonly page: number;
  readonly slot: number;
  readonly slots: number;
}

/** Hands out the metrics of one thread. Not for the data path: get handles once, then count with them. */
export class Registry {
  readonly #publish: (event: RegistryEvent) => void;
  readonly #pages: Float64Array[] = [];
  #used = PAGE_SLOTS;
  readonly #free = new Map<number, Place[]>();
  readonly #places = new WeakMap<object, Place>();

  constructor(publish: (event: RegistryEvent) => void) {
    this.#publish = publish;
  }

  /** A new series of `definition`; `labels` are values in the order of the definition's label names. */
  counter(definition: MetricDefinition, ...labels: readonly string[]): Counter {
    const { place, page } = this.#declare(definition, labels, 1);
    return this.#remember(new Counter(page, place.slot), place);
  }

  gauge(definition: MetricDefinition, ...labels: readonly string[]): Gauge {
    const { place, page } = this.#declare(definition, labels, 1);
    return this.#remember(new Gauge(page, place.slot), place);
  }

  histogram(definition: MetricDefinition, ...labels: readonly string[]): Histogram {
    const { first, last } = definition.buckets ?? { first: 0, last: 0 };
    const { place, page } = this.#declare(definition, labels, histogramSlots(first, last));
    return this.#remember(new Histogram(page, place.slot, first, last), place);
  }

  /** Ends a series: it is shown no more and its place is used again. The handle must not be used afterwards. */
  release(handle: Counter | Gauge | Histogram): void {
    const place = this.#places.get(handle);
    if (place === undefined) return;
    this.#places.delete(handle);
    this.#publish({ type: "release", page: place.page, slot: place.slot });
    const free = this.#free.get(place.slots) ?? [];
    free.push(place);
    this.#free.set(place.slots, free);
  }

  #remember<Handle extends object>(handle: Handle, place: Place): Handle {
    this.#places.set(handle, place);
    return handle;
  }

  #declare(
    definition: MetricDefinition,
    labels: readonly string[],
    slots: number,
  ): { place: Place; page: Float64Array } {
    const place = this.#free.get(slots)?.pop() ?? this.#allocate(slots);
    const page = this.#pages[place.page] as Float64Array;
    page.fill(0, place.slot, place.slot + slots);
    this.#publish({ type: "declare", page: place.page, slot: place.slot, definition, labels });
    return { place, page };
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
