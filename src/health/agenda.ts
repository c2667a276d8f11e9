// Calls at given times, many of them, with one timer for all.
import type { Cancel, Clock } from "../lib/clock.ts";

/** Calls that fall due so close together run in one go: a check need not be exact. */
const GRAIN_MS = 5;

interface Item<Job> {
  readonly dueMs: number;
  readonly job: Job;
}

/** A heap by time. Jobs cannot be taken out: `run` looks whether they are still wanted. */
export class Agenda<Job> {
  readonly #clock: Clock;
  readonly #run: (job: Job) => void;
  readonly #heap: Item<Job>[] = [];
  #timer: { readonly dueMs: number; readonly cancel: Cancel } | undefined;

  constructor(clock: Clock, run: (job: Job) => void) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Jobs that have not been run. */
  get size(): number {
    return this.#heap.length;
  }

  /** Runs `job` at `dueMs` on the clock, or as soon as possible when that is over. */
  add(dueMs: number, job: Job): void {
    this.#heap.push({ dueMs, job });
    this.#rise(this.#heap.length - 1);
    this.#arm();
  }

  /** Forgets all jobs. */
  clear(): void {
    this.#heap.length = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    const [first] = this.#heap;
    if (first === undefined) return;
    if (this.#timer !== undefined) {
      if (this.#timer.dueMs <= first.dueMs + GRAIN_MS) return;
      this.#timer.cancel();
    }
    const nowMs = this.#clock.now();
    const dueMs = Math.max(first.dueMs, nowMs) + GRAIN_MS;
    this.#timer = { dueMs, cancel: this.#clock.after(dueMs - nowMs, () => this.#onTimer()) };
  }

  #onTimer(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.now();
    for (let first = this.#heap[0]; first !== undefined && first.dueMs <= nowMs;) {
      this.#removeFirst();
      this.#run(first.job);
      first = this.#heap[0];
    }
    this.#arm();
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #rise(start: number): void {
    for (let at = start; at > 0;) {
      const parent = (at - 1) >> 1;
      if (this.#dueAt(parent) <= this.#dueAt(at)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(): void {
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const least = this.#dueAt(left + 1) < this.#dueAt(left) ? left + 1 : left;
      if (this.#dueAt(at) <= this.#dueAt(least)) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #dueAt(at: number): number {
    return this.#heap[at]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (first === undefined || second === undefined) return;
    this.#heap[a] = second;
    this.#heap[b] = first;
  }
}
