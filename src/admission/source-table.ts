// What is known of the sources of a server's connections, in memory that all workers share: connections open now, by
// worker, and a token bucket. A hash table of fixed size. All callers but those of `busiest` hold the server's lock.
import { mix } from "../lib/hash.ts";

// Cells of the head, 32 bits each. Slots are numbered from 1, so that 0 is none.
const SEED = 0;
const FREE = 1;
/** Slots that were ever used. */
const USED = 2;
const OLDEST_IDLE = 3;
const NEWEST_IDLE = 4;
const HEAD_CELLS = 8;

// Cells of a slot.
const KEY = 0;
const NEXT = 4;
const OLDER = 5;
const NEWER = 6;
const STATE = 7;
/** 64 bits. */
const FULL_AT = 8;
const COUNTS = 10;

const UNUSED = 0;
const HELD = 1;
/** Without connections, kept for its bucket. */
const IDLE = 2;

/** Size of a table. Plain data. */
export interface SourceTableSize {
  readonly capacity: number;
  readonly workers: number;
}

/** A source with its connections. */
export interface BusySource {
  /** Four words: see lib/ip-words.ts. */
  readonly words: readonly number[];
  readonly connections: number;
}

/** Memory for a table; only what is used of it takes room. `seed` keeps others from choosing what collides. */
export function newSourceTable(size: SourceTableSize, seed: number): SharedArrayBuffer {
  const cells = HEAD_CELLS + bucketsFor(size.capacity) + size.capacity * strideFor(size.workers);
  const buffer = new SharedArrayBuffer(cells * 4);
  new Int32Array(buffer)[SEED] = seed;
  return buffer;
}

/** A slot, from 1; 0 stands for none. */
export type Slot = number;

export class SourceTable {
  readonly #cells: Int32Array;
  readonly #floats: Float64Array;
  readonly #size: SourceTableSize;
  readonly #stride: number;
  readonly #mask: number;
  readonly #first: number;

  constructor(buffer: SharedArrayBuffer, size: SourceTableSize) {
    this.#cells = new Int32Array(buffer);
    this.#floats = new Float64Array(buffer);
    this.#size = size;
    this.#stride = strideFor(size.workers);
    const buckets = bucketsFor(size.capacity);
    this.#mask = buckets - 1;
    this.#first = HEAD_CELLS + buckets;
  }

  find(words: Uint32Array): Slot {
    let slot = this.#get(this.#bucketOf(words));
    while (slot !== 0 && !this.#is(slot, words)) slot = this.#get(this.#at(slot) + NEXT);
    return slot;
  }

  /**
   * The slot of a source; one that is not known gets one. When none is left, the source that has been idle for longest
   * makes room, whatever its bucket holds; 0 when all have connections.
   */
  findOrAdd(words: Uint32Array, nowMs: number): Slot {
    const known = this.find(words);
    if (known !== 0) return known;
    this.#dropExpired(nowMs);
    const slot = this.#allocate();
    if (slot === 0) return 0;
    const at = this.#at(slot);
    const bucket = this.#bucketOf(words);
    for (let word = 0; word < 4; word += 1) this.#cells[at + KEY + word] = words[word] as number;
    this.#cells[at + NEXT] = this.#get(bucket);
    this.#cells[at + STATE] = HELD;
    this.#floats[(at + FULL_AT) >> 1] = 0;
    this.#cells[bucket] = slot;
    return slot;
  }

  /** Connections of a source, in the whole process. */
  count(slot: Slot): number {
    const first = this.#at(slot) + COUNTS;
    let sum = 0;
    for (let worker = 0; worker < this.#size.workers; worker += 1) sum += this.#get(first + worker);
    return sum;
  }

  /** A connection more, of `worker`. */
  add(slot: Slot, worker: number): void {
    const at = this.#at(slot);
    if (this.#get(at + STATE) === IDLE) this.#unlinkIdle(slot);
    this.#cells[at + STATE] = HELD;
    this.#cells[at + COUNTS + worker] = this.#get(at + COUNTS + worker) + 1;
  }

  /** A connection less, of `worker`. Needs no lock: nobody else writes a worker's counts. */
  subtract(slot: Slot, worker: number): void {
    const cell = this.#at(slot) + COUNTS + worker;
    this.#cells[cell] = Math.max(0, this.#get(cell) - 1);
  }

  /** Frees a slot that has lost its last connection; it is kept as long as its bucket is not full. */
  settle(slot: Slot, nowMs: number): void {
    if (this.#get(this.#at(slot) + STATE) !== HELD || this.count(slot) > 0) return;
    if (this.fullAtMs(slot) <= nowMs) this.#free(slot);
    else this.#linkIdle(slot);
  }

  /** See token-bucket.ts. */
  fullAtMs(slot: Slot): number {
    return this.#floats[(this.#at(slot) + FULL_AT) >> 1] as number;
  }

  setFullAtMs(slot: Slot, fullAtMs: number): void {
    this.#floats[(this.#at(slot) + FULL_AT) >> 1] = fullAtMs;
  }

  /** Forgets the connections of a worker that is dead. */
  clearWorker(worker: number, nowMs: number): void {
    for (let slot = 1; slot <= this.#get(USED); slot += 1) {
      const at = this.#at(slot);
      if (this.#get(at + STATE) !== HELD || this.#get(at + COUNTS + worker) === 0) continue;
      this.#cells[at + COUNTS + worker] = 0;
      this.settle(slot, nowMs);
    }
  }

  /** Sources that have a slot, those without connections included. For tests. */
  get size(): number {
    let sum = 0;
    for (let slot = 1; slot <= this.#get(USED); slot += 1)
      if (this.#get(this.#at(slot) + STATE) !== UNUSED) sum += 1;
    return sum;
  }

  /** The `most` sources with the most connections. Needs no lock: a source that comes or goes meanwhile may be missed. */
  busiest(most: number): BusySource[] {
    let found: BusySource[] = [];
    for (let slot = 1; slot <= this.#get(USED); slot += 1) {
      const at = this.#at(slot);
      if (this.#get(at + STATE) !== HELD) continue;
      const connections = this.count(slot);
      if (connections === 0) continue;
      const words = Array.from(this.#cells.subarray(at + KEY, at + KEY + 4), (word) => word >>> 0);
      found.push({ words, connections });
      if (found.length >= 8 * most) found = largest(found, most);
    }
    return largest(found, most);
  }

  #dropExpired(nowMs: number): void {
    // Two at most, so that nobody pays for all: more go than come.
    for (let count = 0; count < 2; count += 1) {
      const oldest = this.#get(OLDEST_IDLE);
      if (oldest === 0 || this.fullAtMs(oldest) > nowMs) return;
      this.#unlinkIdle(oldest);
      this.#free(oldest);
    }
  }

  #allocate(): Slot {
    if (this.#get(FREE) === 0 && this.#get(USED) >= this.#size.capacity) {
      const oldest = this.#get(OLDEST_IDLE);
      if (oldest === 0) return 0;
      this.#unlinkIdle(oldest);
      this.#free(oldest);
    }
    const free = this.#get(FREE);
    if (free !== 0) {
      this.#cells[FREE] = this.#get(this.#at(free) + NEXT);
      return free;
    }
    this.#cells[USED] = this.#get(USED) + 1;
    return this.#get(USED);
  }

  #free(slot: Slot): void {
    const at = this.#at(slot);
    const bucket = this.#bucketAt(at + KEY);
    let before = bucket;
    while (this.#get(before) !== slot) before = this.#at(this.#get(before)) + NEXT;
    this.#cells[before] = this.#get(at + NEXT);
    this.#cells[at + STATE] = UNUSED;
    this.#cells[at + NEXT] = this.#get(FREE);
    this.#cells[FREE] = slot;
  }

  #linkIdle(slot: Slot): void {
    const at = this.#at(slot);
    const newest = this.#get(NEWEST_IDLE);
    this.#cells[at + STATE] = IDLE;
    this.#cells[at + OLDER] = newest;
    this.#cells[at + NEWER] = 0;
    this.#cells[newest === 0 ? OLDEST_IDLE : this.#at(newest) + NEWER] = slot;
    this.#cells[NEWEST_IDLE] = slot;
  }

  #unlinkIdle(slot: Slot): void {
    const at = this.#at(slot);
    const older = this.#get(at + OLDER);
    const newer = this.#get(at + NEWER);
    this.#cells[older === 0 ? OLDEST_IDLE : this.#at(older) + NEWER] = newer;
    this.#cells[newer === 0 ? NEWEST_IDLE : this.#at(newer) + OLDER] = older;
  }

  #is(slot: Slot, words: Uint32Array): boolean {
    const at = this.#at(slot) + KEY;
    for (let word = 0; word < 4; word += 1)
      if (this.#get(at + word) !== ((words[word] as number) | 0)) return false;
    return true;
  }

  #bucketOf(words: Uint32Array): number {
    let hash = this.#get(SEED);
    for (let word = 0; word < 4; word += 1) hash = mix(hash ^ (words[word] as number)) + word;
    return HEAD_CELLS + (hash & this.#mask);
  }

  #bucketAt(key: number): number {
    let hash = this.#get(SEED);
    for (let word = 0; word < 4; word += 1) hash = mix(hash ^ this.#get(key + word)) + word;
    return HEAD_CELLS + (hash & this.#mask);
  }

  #at(slot: Slot): number {
    return this.#first + (slot - 1) * this.#stride;
  }

  #get(cell: number): number {
    return this.#cells[cell] as number;
  }
}

/** Even, as buckets are 64 bits wide. */
function strideFor(workers: number): number {
  return (COUNTS + workers + 1) & ~1;
}

/** A power of two, even. */
function bucketsFor(capacity: number): number {
  return Math.max(2, 2 ** Math.ceil(Math.log2(capacity)));
}

function largest(sources: readonly BusySource[], most: number): BusySource[] {
  return sources.toSorted((a, b) => b.connections - a.connections).slice(0, most);
}
