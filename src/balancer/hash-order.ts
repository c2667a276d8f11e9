// Endpoints in the order of the hashes of their addresses: the same order on every worker and in every process, whatever
// came first. Owns each one's place, and the sums of weights.
import { hashText } from "../lib/hash.ts";
import type { Located } from "./picker.ts";
import { SumTree } from "./sum-tree.ts";

/** A power of two, so that a bucket is the first bits of a hash. */
const BUCKET_BITS = 7;
/** How many buckets there are: at 10,000 endpoints, about as many as endpoints in each. */
export const BUCKETS = 2 ** BUCKET_BITS;

/** An endpoint in its place. */
export interface Slot<E> {
  readonly endpoint: E;
  /** From 0 to 2^32 - 1. */
  readonly hash: number;
  /** An independent one: tells endpoints apart whose hashes are equal, as those of 1 % of all sets of 10,000 are. */
  readonly otherHash: number;
  /** Finite, 0 or more. */
  weight: number;
}

/** Endpoints whose hashes begin alike, in their order. */
export interface Bucket<E> {
  readonly slots: readonly Slot<E>[];
  /** Sum of the weights. */
  readonly weight: number;
  /** The largest of them. */
  readonly heaviest: number;
}

interface OwnBucket<E> extends Bucket<E> {
  readonly slots: Slot<E>[];
  weight: number;
  heaviest: number;
}

/** The order. A change costs O(endpoints / BUCKETS + BUCKETS), a search O(log BUCKETS + endpoints / BUCKETS). */
export class HashOrder<E extends Located> {
  readonly #buckets: readonly OwnBucket<E>[];
  /** The weights of the buckets. */
  readonly #weights = new SumTree();
  #size = 0;
  #weighted = 0;
  #heaviestBucket = 0;
  /** What the last `find` had left: how far its position is into the endpoint. */
  remainder = 0;

  constructor() {
    this.#buckets = Array.from({ length: BUCKETS }, () => ({ slots: [], weight: 0, heaviest: 0 }));
  }

  get size(): number {
    return this.#size;
  }

  /** Endpoints that have weight. */
  get weighted(): number {
    return this.#weighted;
  }

  /** Sum of the weights. */
  get weight(): number {
    return this.#weights.total;
  }

  get buckets(): readonly Bucket<E>[] {
    return this.#buckets;
  }

  /** The largest weight of a bucket. */
  get heaviestBucket(): number {
    return this.#heaviestBucket;
  }

  /** Whether it was added: not when it is in a picker already. */
  add(endpoint: E): boolean {
    if (endpoint.pickerIndex !== -1) return false;
    const hash = hashText(endpoint.address);
    const otherHash = hashText(endpoint.address, 1);
    const index = hash >>> (32 - BUCKET_BITS);
    const bucket = this.#buckets[index];
    if (bucket === undefined) return false;
    const slot = { endpoint, hash, otherHash, weight: clean(endpoint.weight) };
    const at = bucket.slots.findIndex((other) => isBefore(slot, other));
    bucket.slots.splice(at < 0 ? bucket.slots.length : at, 0, slot);
    endpoint.pickerIndex = index;
    this.#size += 1;
    if (slot.weight > 0) this.#weighted += 1;
    this.#sum(index, bucket);
    return true;
  }

  /** Whether it was removed: not when it is not here. */
  remove(endpoint: E): boolean {
    const bucket = this.#buckets[endpoint.pickerIndex];
    const at = bucket?.slots.findIndex((slot) => slot.endpoint === endpoint) ?? -1;
    if (bucket === undefined || at < 0) return false;
    const [slot] = bucket.slots.splice(at, 1);
    this.#size -= 1;
    if (slot !== undefined && slot.weight > 0) this.#weighted -= 1;
    this.#sum(endpoint.pickerIndex, bucket);
    endpoint.pickerIndex = -1;
    return true;
  }

  /** Takes over the endpoint's weight. */
  reweigh(endpoint: E): void {
    const bucket = this.#buckets[endpoint.pickerIndex];
    const slot = bucket?.slots.find((known) => known.endpoint === endpoint);
    if (bucket === undefined || slot === undefined) return;
    if (slot.weight > 0) this.#weighted -= 1;
    slot.weight = clean(endpoint.weight);
    if (slot.weight > 0) this.#weighted += 1;
    this.#sum(endpoint.pickerIndex, bucket);
  }

  /**
   * The endpoint whose stretch of the running sum of weights holds `position`, from 0 to below `weight`; undefined when
   * there is no weight. `remainder` says how far into it.
   */
  find(position: number): Slot<E> | undefined {
    const bucket = this.#buckets[this.#weights.find(position)];
    if (bucket === undefined) return undefined;
    let rest = this.#weights.remainder;
    let found: Slot<E> | undefined;
    for (const slot of bucket.slots) {
      if (!(slot.weight > 0)) continue;
      // Where rounding left a rest, the last one has it.
      if (found !== undefined) rest -= found.weight;
      found = slot;
      if (rest < slot.weight) break;
    }
    this.remainder = rest;
    return found;
  }

  /** The load of all. O(n). */
  load(): number {
    let sum = 0;
    for (const { slots } of this.#buckets) {
      for (const { endpoint } of slots) sum += endpoint.load;
    }
    return sum;
  }

  #sum(index: number, bucket: OwnBucket<E>): void {
    // Added up anew, as a difference would leave a rest.
    let weight = 0;
    let heaviest = 0;
    for (const slot of bucket.slots) {
      weight += slot.weight;
      heaviest = Math.max(heaviest, slot.weight);
    }
    bucket.weight = clean(Math.min(weight, Number.MAX_VALUE));
    bucket.heaviest = heaviest;
    this.#weights.set(index, bucket.weight);
    this.#heaviestBucket = 0;
    for (const other of this.#buckets)
      this.#heaviestBucket = Math.max(this.#heaviestBucket, other.weight);
  }
}

function isBefore(a: Slot<unknown>, b: Slot<unknown>): boolean {
  return a.hash === b.hash ? a.otherHash < b.otherHash : a.hash < b.hash;
}

/** What a SumTree makes of a weight. */
function clean(weight: number): number {
  return weight > 0 && weight < Number.POSITIVE_INFINITY ? weight : 0;
}
