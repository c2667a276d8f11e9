// Places for connections to an endpoint that has a limit, hard across workers. A page of them lies beside each page of
// the endpoint table; nobody touches it where no limit is set.
import { ROWS_PER_PAGE } from "./endpoint-table.ts";

/** Cells of one worker for an endpoint. */
const CELLS = 2;
/** Places that the worker holds. */
const HELD = 0;
/** Since when the first of its queue has waited, see `now`; 0 while nobody waits. */
const WAITING = 1;

/** A new page for `workers` threads, all zero. */
export function newSlotPage(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(ROWS_PER_PAGE * workers * CELLS * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * One endpoint's places as one worker sees them: it reads all cells and writes its own. As nobody writes what belongs to
 * another worker, all that a dead one held comes back by clearing its cells, at whatever instruction it died.
 */
export class EndpointSlots {
  readonly #cells: Int32Array;
  readonly #start: number;
  readonly #end: number;
  readonly #own: number;

  /** `worker` is the index of the writing thread, from 0 to `workers` - 1. */
  constructor(page: Int32Array, row: number, worker: number, workers: number) {
    this.#cells = page;
    this.#start = row * workers * CELLS;
    this.#end = this.#start + workers * CELLS;
    this.#own = this.#start + worker * CELLS;
  }

  /** Places held in the whole process. May be more than there are for the moment in which somebody tries to take one. */
  get held(): number {
    let sum = 0;
    for (let at = this.#start + HELD; at < this.#end; at += CELLS)
      sum += Atomics.load(this.#cells, at);
    return sum;
  }

  /** Places held by this worker. */
  get ownHeld(): number {
    return this.#cells[this.#own + HELD] as number;
  }

  /**
   * Takes a place of `max`; false when there is none. Of two workers that take the last one at the same time at most one
   * gets it: each writes before it reads, and atomic operations have one order for all threads, so that the later
   * sees both. Both may be refused then, and are to look again later.
   */
  take(max: number): boolean {
    Atomics.add(this.#cells, this.#own + HELD, 1);
    if (this.held <= max) return true;
    this.giveBack();
    return false;
  }

  /** Takes so many places in all, whether or not there are: for connections that were made without asking. */
  adopt(count: number): void {
    Atomics.store(this.#cells, this.#own + HELD, count);
  }

  /** Gives back a place that was taken. */
  giveBack(): void {
    Atomics.sub(this.#cells, this.#own + HELD, 1);
  }

  /** Tells the other workers since when this one's queue waits: a time of `stampOf`, or 0. */
  setWaiting(stamp: number): void {
    const at = this.#own + WAITING;
    if (this.#cells[at] !== stamp) Atomics.store(this.#cells, at, stamp);
  }

  /** Whether another worker's queue has waited since before `stamp`, a time of `stampOf`. */
  othersWaitSinceBefore(stamp: number): boolean {
    for (let at = this.#start + WAITING; at < this.#end; at += CELLS) {
      if (at === this.#own + WAITING) continue;
      const theirs = Atomics.load(this.#cells, at);
      // The difference is right also where the 32 bits have run over between the two.
      if (theirs !== 0 && ((theirs - stamp) | 0) < 0) return true;
    }
    return false;
  }

  /** Forgets what this worker held: for the control thread, after its death. */
  clearOwn(): void {
    Atomics.store(this.#cells, this.#own + HELD, 0);
    Atomics.store(this.#cells, this.#own + WAITING, 0);
  }
}

/** A time that all threads read alike, as a number of 32 bits other than 0. */
export function stampOf(wallTimeMs: number): number {
  return (wallTimeMs % 0x1_0000_0000) | 0 || 1;
}
