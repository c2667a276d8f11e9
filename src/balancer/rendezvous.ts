// Keeps each client to one endpoint, by weighted rendezvous hashing of its address, with bounded load: the kind `maglev`.
// Owns the ranking. Why not Maglev's table: docs/decisions/0014-balancers.md.
import type { Clock } from "../lib/clock.ts";
import { chanceOf, mix } from "../lib/hash.ts";
import { type Bucket, HashOrder } from "./hash-order.ts";
import type { Located, Picker } from "./picker.ts";
import { TotalLoad } from "./total-load.ts";

/** Choices of a client that are looked at for one below its bound. At least a fifth of the weight is: see `pick`. */
const CHOICES = 16;
/** Fewer connections than this are never too many: with few clients any is far above the mean. */
const ALWAYS_ALLOWED = 8;
/** 2^32 divided by the golden ratio. Added to a hash of a client it makes, once mixed, the next. */
const GOLDEN = 0x9e3779b9;

/**
 * The same client gets the same endpoint on every worker and in every process that knows the same endpoints. Clients are
 * spread in proportion to weight, and a change of one endpoint moves about as many as must move.
 *
 * For a client and an endpoint of weight w there is a time, exponential with rate w, that their hashes alone decide; the
 * endpoint with the least is the client's (Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996). To
 * look at fewer, that is done among the buckets of a HashOrder first, and then within one: about 200 looks at 10,000.
 *
 * An endpoint that has its share of all load times `loadFactor` takes no more: the client goes to its next choice, which an
 * independent hash of it makes, so that the clients of a full endpoint spread over all (Mirrokni, Thorup and Zadimoghaddam,
 * "Consistent Hashing with Bounded Loads", 2018, has the bound).
 *
 * `pick` allocates nothing.
 */
export class RendezvousPicker<E extends Located> implements Picker<E> {
  private readonly order = new HashOrder<E>();
  private readonly totalLoad: TotalLoad;
  private readonly loadFactor: number;

  /** @param loadFactor how far above its share of the load an endpoint may get, above 1; Infinity for no bound */
  constructor(loadFactor: number, clock: Clock) {
    this.totalLoad = new TotalLoad(this.order, clock);
    this.loadFactor = loadFactor;
  }

  get size(): number {
    return this.order.size;
  }

  get weight(): number {
    return this.order.weight;
  }

  add(endpoint: E): void {
    if (this.order.add(endpoint)) this.totalLoad.change(endpoint.load);
  }

  remove(endpoint: E): void {
    if (this.order.remove(endpoint)) this.totalLoad.change(-endpoint.load);
  }

  reweigh(endpoint: E): void {
    this.order.reweigh(endpoint);
  }

  pick(client: number): E | undefined {
    let key = mix(client);
    const own = this.choice(key);
    if (own === undefined || this.loadFactor === Number.POSITIVE_INFINITY) return own;
    // All that may be held for a weight of 1. The share of the weight that is not full is at least 1 - 1 / loadFactor,
    // as else more would be held than is.
    const perWeight = (this.loadFactor * (this.totalLoad.next() + 1)) / this.order.weight;
    let choice = own;
    let least = own;
    for (let tried = 1; ; tried += 1) {
      const { load } = choice;
      if (load < ALWAYS_ALLOWED || load < Math.ceil(perWeight * choice.weight)) return choice;
      if (load * least.weight < least.load * choice.weight) least = choice;
      if (tried === CHOICES) return least;
      key = mix(key + GOLDEN);
      choice = this.choice(key) ?? own;
    }
  }

  /** The endpoint with the least time for `key`. */
  private choice(key: number): E | undefined {
    const bucket = this.bucketFor(key);
    if (bucket === undefined) return undefined;
    let best: E | undefined;
    let bestTime = Number.POSITIVE_INFINITY;
    // Below it, not even the heaviest would win: spares nearly all logarithms.
    let threshold = 0;
    for (const { endpoint, hash, otherHash, weight } of bucket.slots) {
      const chance = chanceOf(key, hash, otherHash);
      if (chance < threshold || !(weight > 0)) continue;
      const time = -Math.log(chance) / weight;
      if (best !== undefined && time >= bestTime) continue;
      best = endpoint;
      bestTime = time;
      threshold = Math.exp(-time * bucket.heaviest);
    }
    return best;
  }

  private bucketFor(key: number): Bucket<E> | undefined {
    const { buckets, heaviestBucket } = this.order;
    let best = -1;
    let bestTime = Number.POSITIVE_INFINITY;
    let threshold = 0;
    for (let index = 0; index < buckets.length; index += 1) {
      const weight = buckets[index]?.weight ?? 0;
      if (!(weight > 0)) continue;
      const chance = chanceOf(key, index, GOLDEN);
      if (chance < threshold) continue;
      const time = -Math.log(chance) / weight;
      if (best >= 0 && time >= bestTime) continue;
      best = index;
      bestTime = time;
      threshold = Math.exp(-time * heaviestBucket);
    }
    return buckets[best];
  }
}
