// Endpoints in turn, by weight. Owns the order of turns: a heap of the times at which each is due.
import type { Rng } from "../lib/rng.ts";
import type { Pickable, Picker } from "./picker.ts";

/** Where this many periods of an endpoint have gone by, time is set back: a period must not get lost in rounding. */
const PERIODS_OF_TIME = 2 ** 32;
/** Of the smallest weights, so that times stay finite. */
const LONGEST_PERIOD = 1e300;

/**
 * Each endpoint is due once in a period that is inverse to its weight, and the one that is due first is picked ("earliest
 * deadline first"): turns of a heavy one lie evenly between those of others. One that comes begins at a random part of its
 * period, so that workers and processes do not go round in step. Takes no notice of load.
 *
 * `pick`, `add`, `remove` and `reweigh` are O(log n); none allocates but for growth.
 */
export class RoundRobinPicker<E extends Pickable> implements Picker<E> {
  private readonly rng: Rng;
  // A binary heap: endpoints[i] is due no later than endpoints[2 i + 1] and endpoints[2 i + 2].
  private readonly endpoints: E[] = [];
  private readonly dues: number[] = [];
  private readonly periods: number[] = [];
  /** When the last one picked was due. */
  private now = 0;
  /** Undefined after a change, until somebody asks. */
  private knownWeight: number | undefined = 0;

  /** @param rng asked when an endpoint comes or is given another weight */
  constructor(rng: Rng) {
    this.rng = rng;
  }

  get size(): number {
    return this.endpoints.length;
  }

  get weight(): number {
    this.knownWeight ??= this.periods.reduce((sum, period) => sum + 1 / period, 0);
    return this.knownWeight;
  }

  add(endpoint: E): void {
    if (endpoint.pickerIndex !== -1) return;
    endpoint.pickerIndex = this.endpoints.length;
    this.endpoints.push(endpoint);
    this.dues.push(0);
    this.periods.push(0);
    this.reweigh(endpoint);
  }

  remove(endpoint: E): void {
    const index = endpoint.pickerIndex;
    if (this.endpoints[index] !== endpoint) return;
    this.swap(index, this.endpoints.length - 1);
    this.endpoints.pop();
    this.dues.pop();
    this.periods.pop();
    endpoint.pickerIndex = -1;
    this.knownWeight = undefined;
    if (index < this.endpoints.length) this.settle(index);
  }

  reweigh(endpoint: E): void {
    const index = endpoint.pickerIndex;
    if (this.endpoints[index] !== endpoint) return;
    const { weight } = endpoint;
    const isFinite = weight > 0 && weight < Number.POSITIVE_INFINITY;
    const period = isFinite ? Math.min(1 / weight, LONGEST_PERIOD) : Number.POSITIVE_INFINITY;
    this.periods[index] = period;
    this.dues[index] = isFinite ? this.now + this.rng.next() * period : period;
    this.knownWeight = undefined;
    this.settle(index);
  }

  pick(): E | undefined {
    const endpoint = this.endpoints[0];
    const due = this.dues[0] ?? Number.POSITIVE_INFINITY;
    if (endpoint === undefined || due === Number.POSITIVE_INFINITY) return undefined;
    const period = this.periods[0] ?? 0;
    this.now = due;
    this.dues[0] = due + period;
    if (due > period * PERIODS_OF_TIME) this.setBack();
    this.sink(0);
    return endpoint;
  }

  private setBack(): void {
    for (const [index, due] of this.dues.entries()) this.dues[index] = due - this.now;
    this.now = 0;
  }

  private settle(index: number): void {
    this.rise(index);
    this.sink(index);
  }

  private rise(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.due(parent) <= this.due(index)) return;
      this.swap(parent, index);
      index = parent;
    }
  }

  private sink(from: number): void {
    let index = from;
    for (;;) {
      const left = 2 * index + 1;
      const least = this.due(left + 1) < this.due(left) ? left + 1 : left;
      if (!(this.due(least) < this.due(index))) return;
      this.swap(least, index);
      index = least;
    }
  }

  /** Never, past the end. */
  private due(index: number): number {
    return index < this.dues.length ? (this.dues[index] ?? 0) : Number.POSITIVE_INFINITY;
  }

  private swap(a: number, b: number): void {
    const [first, second] = [this.endpoints[a], this.endpoints[b]];
    if (first === undefined || second === undefined) return;
    this.endpoints[a] = second;
    this.endpoints[b] = first;
    first.pickerIndex = b;
    second.pickerIndex = a;
    exchange(this.dues, a, b);
    exchange(this.periods, a, b);
  }
}

function exchange(numbers: number[], a: number, b: number): void {
  const kept = numbers[a] ?? 0;
  numbers[a] = numbers[b] ?? 0;
  numbers[b] = kept;
}
