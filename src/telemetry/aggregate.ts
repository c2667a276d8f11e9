// The numbers of all threads, put together for those who look. Runs on the control thread.
import { CATALOGUE } from "./catalogue.ts";
import {
  histogramSlots,
  type MetricDefinition,
  type MetricFamily,
  type MetricSeries,
} from "./metrics.ts";
import type { RegistryEvent } from "./registry.ts";

/** A family with its series by their labels. */
interface Family {
  readonly definition: MetricDefinition;
  readonly series: Map<string, Series>;
}

/** A series as it is shown. */
interface Series {
  readonly labels: readonly string[];
  readonly holders: Set<Holder>;
  /** What threads counted that count no more. */
  base: number[] | undefined;
}

/** One thread's part of a series. */
interface Holder {
  readonly family: Family;
  readonly series: Series;
  readonly page: Float64Array;
  readonly slot: number;
  /** The series number of registry.ts. */
  readonly number: number;
}

interface Source {
  readonly pages: Float64Array[];
  readonly holders: Map<number, Holder>;
  ended: boolean;
}

/**
 * Follows the registries of all threads.
 *
 * - Series with equal labels are one series, their numbers summed (or the largest taken, where the definition says so).
 * - Counters and histograms never go back while they are shown: what a thread counted stays when it dies, and when it
 *   releases a series that another thread still holds.
 * - A series that its last holder releases disappears, and begins at 0 if it ever comes again.
 * - A gauge is what living threads say: with its last holder it disappears.
 */
export class Aggregate {
  /** In the order of the catalogue; families that it does not know come last. */
  readonly #families = new Map<string, Family>();
  readonly #sources = new Map<string, Source>();

  constructor(catalogue: readonly MetricDefinition[] = CATALOGUE) {
    for (const definition of catalogue) this.#family(definition);
  }

  /**
   * Begins to follow the registry of the thread `name`, and returns what takes its events, in their order. A name that
   * is taken ends the source that had it. Events after the end of a source do nothing.
   */
  source(name: string): (event: RegistryEvent) => void {
    this.endSource(name);
    const source: Source = { pages: [], holders: new Map(), ended: false };
    this.#sources.set(name, source);
    return (event) => {
      if (!source.ended) this.#apply(source, event);
    };
  }

  /** The thread is dead: its gauges go (see `diesAs`), what it counted stays. Unknown names do nothing. */
  endSource(name: string): void {
    const source = this.#sources.get(name);
    if (source === undefined) return;
    this.#sources.delete(name);
    source.ended = true;
    for (const holder of source.holders.values()) {
      const { series, family } = holder;
      series.holders.delete(holder);
      const numbers = read(holder);
      if (numbers !== undefined && family.definition.kind !== "gauge") addToBase(series, numbers);
      if (numbers?.some((count) => count > 0))
        this.#countLost(family.definition, series.labels, numbers);
      dropIfEmpty(holder);
    }
  }

  /** Adds what a dead thread's gauge said to the counters that are to have it. */
  #countLost(
    { diesAs = [], labels: names }: MetricDefinition,
    values: readonly string[],
    numbers: readonly number[],
  ): void {
    const known = Object.fromEntries(names.map((name, at) => [name, values[at] ?? ""]));
    for (const { counter, labels: more } of diesAs) {
      const family = this.#families.get(counter);
      if (family === undefined) continue;
      const labels = family.definition.labels.map((name) => more?.[name] ?? known[name] ?? "");
      addToBase(findSeries(family, labels), numbers);
    }
  }

  /**
   * All families as they are now, in the order of the catalogue, those without series included. `others` are shown in
   * place of families of the same name: for numbers that live elsewhere, such as those of endpoints.
   */
  collect(others: readonly MetricFamily[] = []): MetricFamily[] {
    const replaced = new Map(others.map((family) => [family.definition.name, family]));
    return Array.from(
      this.#families.values(),
      (family) => replaced.get(family.definition.name) ?? collectFamily(family),
    );
  }

  #apply(source: Source, event: RegistryEvent): void {
    switch (event.type) {
      case "page":
        source.pages[event.page] = new Float64Array(event.buffer);
        return;
      case "declare":
        this.#declare(source, event);
        return;
      case "release":
        release(source, event.series, event.numbers);
        return;
      default:
        event satisfies never;
    }
  }

  #declare(source: Source, event: Extract<RegistryEvent, { type: "declare" }>): void {
    const page = source.pages[event.page];
    if (page === undefined) return;
    const family = this.#family(event.definition);
    const series = findSeries(family, event.labels);
    const holder: Holder = { family, series, page, slot: event.slot, number: event.series };
    series.holders.add(holder);
    source.holders.set(event.series, holder);
  }

  #family(definition: MetricDefinition): Family {
    let family = this.#families.get(definition.name);
    if (family === undefined) {
      family = { definition, series: new Map() };
      this.#families.set(definition.name, family);
    }
    return family;
  }
}

function release(source: Source, number: number, numbers: readonly number[]): void {
  const holder = source.holders.get(number);
  if (holder === undefined) return;
  source.holders.delete(number);
  const { series, family } = holder;
  series.holders.delete(holder);
  if (series.holders.size === 0) series.base = undefined;
  else if (family.definition.kind !== "gauge") addToBase(series, numbers);
  dropIfEmpty(holder);
}

function keyOf(labels: readonly string[]): string {
  return JSON.stringify(labels);
}

function findSeries(family: Family, labels: readonly string[]): Series {
  const key = keyOf(labels);
  let series = family.series.get(key);
  if (series === undefined) {
    series = { labels, holders: new Set(), base: undefined };
    family.series.set(key, series);
  }
  return series;
}

function dropIfEmpty({ family, series }: Holder): void {
  if (series.holders.size === 0 && series.base === undefined)
    family.series.delete(keyOf(series.labels));
}

/** The numbers of a holder, or undefined when its place has another owner by now. */
function read({ page, slot, number, family }: Holder): number[] | undefined {
  const { kind, buckets } = family.definition;
  const count = kind === "histogram" ? histogramSlots(buckets?.first ?? 0, buckets?.last ?? 0) : 1;
  const numbers: number[] = [];
  for (let at = slot + 1; at <= slot + count; at++) numbers.push(page[at] as number);
  // The owner is looked at last: see RegistryEvent.
  return page[slot] === number ? numbers : undefined;
}

function addToBase(series: Series, numbers: readonly number[]): void {
  if (series.base === undefined) series.base = numbers.slice();
  else add(series.base, numbers);
}

function add(sums: number[], numbers: readonly number[]): void {
  for (let at = 0; at < numbers.length; at++)
    sums[at] = (sums[at] as number) + (numbers[at] as number);
}

function collectFamily(family: Family): MetricFamily {
  const { definition } = family;
  const shown: MetricSeries[] = [];
  for (const series of family.series.values()) {
    let numbers = series.base?.slice();
    for (const holder of series.holders) {
      const held = read(holder);
      if (held === undefined) continue;
      if (numbers === undefined) numbers = held;
      else if (definition.combine === "max") keepLargest(numbers, held);
      else add(numbers, held);
    }
    if (numbers !== undefined) shown.push({ labels: series.labels, numbers });
  }
  return { definition, series: shown };
}

function keepLargest(largest: number[], numbers: readonly number[]): void {
  largest[0] = Math.max(largest[0] as number, numbers[0] as number);
}
