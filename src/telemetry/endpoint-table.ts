// Numbers of endpoints that all threads share: the load that decides a pick is the load of the whole process.
// A row belongs to one endpoint; in it each worker has cells of its own that it alone writes, so nothing is atomic.

import {
  decodeNote,
  type EjectionKind,
  type EjectionNote,
  encodeNote,
  kindOf,
} from "./ejection-note.ts";

/** Cells of one worker in a row. */
const CELLS = 4;
const LOAD = 0;
const CONNECTS = 1;
const FAILURES = 2;
const EJECTED = 3;

/** Rows in a page. */
export const ROWS_PER_PAGE = 256;

/** Where a row is. Plain data: it crosses threads. */
export interface RowId {
  readonly page: number;
  readonly row: number;
}

/** A new page for `workers` threads, all zero. */
export function newEndpointPage(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(ROWS_PER_PAGE * workers * CELLS * Float64Array.BYTES_PER_ELEMENT);
}

/** One endpoint's numbers as one worker sees them: it reads all cells and writes its own. */
export class EndpointRow {
  readonly #cells: Float64Array;
  readonly #start: number;
  readonly #end: number;
  readonly #own: number;

  /** `worker` is the index of the writing thread, from 0 to `workers` - 1. */
  constructor(page: Float64Array, row: number, worker: number, workers: number) {
    this.#cells = page;
    this.#start = row * workers * CELLS;
    this.#end = this.#start + workers * CELLS;
    this.#own = this.#start + worker * CELLS;
  }

  /** Connections open and pending, in the whole process. */
  get load(): number {
    return this.#sum(LOAD);
  }

  /** Connections open and pending on this worker. */
  get ownLoad(): number {
    return this.#cells[this.#own + LOAD] as number;
  }

  get connects(): number {
    return this.#sum(CONNECTS);
  }

  get failures(): number {
    return this.#sum(FAILURES);
  }

  /** How many workers have ejected the endpoint. */
  get ejected(): number {
    return this.noted("ejected");
  }

  /** How many workers have noted this of the endpoint. */
  noted(kind: EjectionKind): number {
    let count = 0;
    for (let at = this.#start + EJECTED; at < this.#end; at += CELLS)
      if (kindOf(this.#cells[at] as number) === kind) count += 1;
    return count;
  }

  /** Of all workers' notes the one whose probe comes last. */
  get ejection(): EjectionNote | undefined {
    let last = 0;
    for (let at = this.#start + EJECTED; at < this.#end; at += CELLS) {
      const value = this.#cells[at] as number;
      if (value > last) last = value;
    }
    return decodeNote(last);
  }

  addLoad(amount: number): void {
    this.#cells[this.#own + LOAD] = (this.#cells[this.#own + LOAD] as number) + amount;
  }

  countConnect(): void {
    this.#cells[this.#own + CONNECTS] = (this.#cells[this.#own + CONNECTS] as number) + 1;
  }

  countFailure(): void {
    this.#cells[this.#own + FAILURES] = (this.#cells[this.#own + FAILURES] as number) + 1;
  }

  /** Undefined: nothing is held against it. */
  setEjection(note: EjectionNote | undefined): void {
    this.#cells[this.#own + EJECTED] = encodeNote(note);
  }

  /** Forgets what is true only as long as the worker lives: for the control thread, after a worker's death. */
  clearOwnState(): void {
    this.#cells[this.#own + LOAD] = 0;
    this.#cells[this.#own + EJECTED] = 0;
  }

  /** Forgets everything: for the control thread, before the row goes to another endpoint. */
  clear(): void {
    this.#cells.fill(0, this.#start, this.#end);
  }

  #sum(cell: number): number {
    let sum = 0;
    for (let at = this.#start + cell; at < this.#end; at += CELLS) sum += this.#cells[at] as number;
    return sum;
  }
}
