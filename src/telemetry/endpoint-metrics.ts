// The metrics of single endpoints, made from the shared endpoint table when somebody looks.
// Keeps the number of series bounded: the busiest endpoints by name, the others as one.
import { ENDPOINT_METRICS } from "./catalogue/balancer.ts";
import type { EndpointRow } from "./endpoint-table.ts";
import type { MetricFamily, MetricSeries } from "./metrics.ts";

/** An endpoint of a destination. */
export interface EndpointSample {
  readonly router: string;
  /** The destination's path. */
  readonly dst: string;
  /** `ip:port`; one of its kind in a destination. */
  readonly endpoint: string;
  readonly weight: number;
  readonly row: EndpointNumbers;
}

/** What is counted for an endpoint. */
export type EndpointNumbers = Pick<EndpointRow, "load" | "connects" | "failures" | "ejected">;

/** The value of the label `endpoint` for all that have no series of their own. */
export const OTHER_ENDPOINTS = "other";

interface Counts {
  readonly connects: number;
  readonly failures: number;
}

/** What is remembered of a destination that has more endpoints than are shown. */
interface Memory {
  readonly named: Set<string>;
  /** What the others had counted when last seen. */
  readonly seen: Map<string, Counts>;
  connects: number;
  failures: number;
}

const NONE: Counts = { connects: 0, failures: 0 };
const FAMILIES = ["connections", "weight", "ejected", "connects", "failures"] as const;
type Lists = Record<(typeof FAMILIES)[number], MetricSeries[]>;

/** Makes the families of ENDPOINT_METRICS. */
export class EndpointMetrics {
  readonly #maxPerDestination: number;
  #memories = new Map<string, Memory>();

  /** `maxPerDestination` endpoints of a destination get series of their own. */
  constructor(maxPerDestination = 100) {
    this.#maxPerDestination = maxPerDestination;
  }

  /** The families of all endpoints there are; those left out are forgotten. */
  collect(samples: readonly EndpointSample[]): MetricFamily[] {
    const lists: Lists = { connections: [], weight: [], ejected: [], connects: [], failures: [] };
    const memories = new Map<string, Memory>();
    const key = ({ router, dst }: EndpointSample): string => JSON.stringify([router, dst]);
    for (const [destination, group] of Map.groupBy(samples, key)) {
      if (group.length <= this.#maxPerDestination) {
        for (const sample of group) pushOne(lists, sample);
        continue;
      }
      const memory = this.#memories.get(destination) ?? newMemory();
      memories.set(destination, memory);
      pushBounded(lists, group, memory, this.#maxPerDestination);
    }
    this.#memories = memories;
    return FAMILIES.map((name) => ({ definition: ENDPOINT_METRICS[name], series: lists[name] }));
  }
}

function newMemory(): Memory {
  return { named: new Set(), seen: new Map(), connects: 0, failures: 0 };
}

function pushOne(lists: Lists, sample: EndpointSample): void {
  const { endpoint, weight, row } = sample;
  push(lists, sample, endpoint, {
    connections: row.load,
    weight,
    ejected: row.ejected,
    connects: row.connects,
    failures: row.failures,
  });
}

function pushBounded(
  lists: Lists,
  group: readonly EndpointSample[],
  memory: Memory,
  max: number,
): void {
  const ranked = rank(group, memory.named);
  const others = ranked.slice(max);
  countOthers(others, memory);
  memory.named.clear();
  for (const sample of ranked.slice(0, max)) {
    memory.named.add(sample.endpoint);
    pushOne(lists, sample);
  }
  const [first] = others;
  if (first === undefined) return;
  const sum = (of: (sample: EndpointSample) => number): number =>
    others.reduce((total, sample) => total + of(sample), 0);
  push(lists, first, OTHER_ENDPOINTS, {
    connections: sum(({ row }) => row.load),
    weight: sum(({ weight }) => weight),
    ejected: sum(({ row }) => row.ejected),
    connects: memory.connects,
    failures: memory.failures,
  });
}

/**
 * Busiest first, by connections made: unlike the load of the moment it changes slowly. Who has a name keeps it until
 * another has made twice as many, as each change of names makes new series in the reader's database.
 */
function rank(group: readonly EndpointSample[], named: ReadonlySet<string>): EndpointSample[] {
  return group
    .map((sample) => {
      const { connects, load } = sample.row;
      const isNamed = named.has(sample.endpoint);
      return { sample, connects: isNamed ? connects * 2 : connects, isNamed, load };
    })
    .sort(
      (a, b) => b.connects - a.connects || Number(b.isNamed) - Number(a.isNamed) || b.load - a.load,
    )
    .map(({ sample }) => sample);
}

/**
 * Adds what the others have counted since last seen: a sum of totals would go back when one gets a name or goes away.
 * What an endpoint counted while it had a name was shown there and is not shown again.
 */
function countOthers(others: readonly EndpointSample[], memory: Memory): void {
  const before = new Map(memory.seen);
  memory.seen.clear();
  for (const { endpoint, row } of others) {
    const now = { connects: row.connects, failures: row.failures };
    const seen = memory.named.has(endpoint) ? now : (before.get(endpoint) ?? NONE);
    memory.connects += grown(seen.connects, now.connects);
    memory.failures += grown(seen.failures, now.failures);
    memory.seen.set(endpoint, now);
  }
}

/** A total below what it was has begun again at 0: the endpoint went and came back. */
function grown(before: number, now: number): number {
  return now >= before ? now - before : now;
}

function push(
  lists: Lists,
  { dst, router }: EndpointSample,
  endpoint: string,
  values: Readonly<Record<(typeof FAMILIES)[number], number>>,
): void {
  const labels = [dst, endpoint, router];
  for (const name of FAMILIES) lists[name].push({ labels, numbers: [values[name]] });
}
