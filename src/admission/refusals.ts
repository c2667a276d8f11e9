// Who is refused by a server, and by which rules, in memory that all workers share. Bounded, however many are refused: the
// space-saving counters of Metwally, Agrawal and El Abbadi ("Efficient Computation of Frequent and Top-k Elements in Data
// Streams", 2005), of the last 10 to 20 minutes. Writers hold the server's lock.
import { type LimitRule, RULE_NAMES } from "./rules.ts";

/** Sources that are counted at a time. */
const ENTRIES = 64;
/** After this time counting begins anew; what was counted before is kept for as long again. */
const PERIOD_MS = 600_000;

// 64-bit cells: the period's beginning, refusals by rule, then entries of the running period and of the one before.
const BEGAN = 0;
const BY_RULE = 1;
const FIRST = BY_RULE + 16;
// Cells of an entry: the source in 32-bit words, and numbers.
const COUNT = 2;
const ERROR = 3;
const LAST = 4;
const RULE = 5;
const STRIDE = 6;

/** A source that was refused. */
export interface Offender {
  /** Four words: see lib/ip-words.ts. */
  readonly words: readonly number[];
  /** Refusals; at most `error` too many. */
  readonly refusals: number;
  readonly error: number;
  /** The rule of the last one. */
  readonly rule: LimitRule;
  /** When that was, on the clock of the writers. */
  readonly lastMs: number;
}

export function newRefusals(): SharedArrayBuffer {
  return new SharedArrayBuffer((FIRST + 2 * ENTRIES * STRIDE) * 8);
}

export class Refusals {
  readonly #numbers: Float64Array;
  readonly #words: Uint32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#numbers = new Float64Array(buffer);
    this.#words = new Uint32Array(buffer);
  }

  /** Counts a refusal. Without a source only its rule is counted. */
  add(source: Uint32Array | undefined, rule: number, nowMs: number): void {
    this.#increase(BY_RULE + rule);
    if (source === undefined) return;
    if (nowMs - this.#get(BEGAN) >= PERIOD_MS) this.#beginPeriod(nowMs);
    const at = this.#entryOf(source);
    this.#increase(at + COUNT);
    this.#numbers[at + LAST] = nowMs;
    this.#numbers[at + RULE] = rule;
  }

  /** Refusals by a rule since the process began. */
  total(rule: number): number {
    return this.#get(BY_RULE + rule);
  }

  /**
   * The `most` sources that were refused most, of the last 10 to 20 minutes. Needs no lock: an entry that changes its
   * source meanwhile may be shown with the other's count.
   */
  top(most: number, nowMs: number): Offender[] {
    const bySource = new Map<string, Offender>();
    const age = nowMs - this.#get(BEGAN);
    const shown = age >= 2 * PERIOD_MS ? 0 : age >= PERIOD_MS ? ENTRIES : 2 * ENTRIES;
    for (let entry = 0; entry < shown; entry += 1) {
      const found = this.#read(FIRST + entry * STRIDE);
      if (found === undefined) continue;
      const key = found.words.join();
      const newer = bySource.get(key);
      bySource.set(key, newer === undefined ? found : joined(newer, found));
    }
    return [...bySource.values()].toSorted((a, b) => b.refusals - a.refusals).slice(0, most);
  }

  #beginPeriod(nowMs: number): void {
    const size = ENTRIES * STRIDE;
    const isLongAgo = nowMs - this.#get(BEGAN) >= 2 * PERIOD_MS;
    if (isLongAgo) this.#numbers.fill(0, FIRST, FIRST + size);
    this.#numbers.copyWithin(FIRST + size, FIRST, FIRST + size);
    this.#numbers.fill(0, FIRST, FIRST + size);
    this.#numbers[BEGAN] = nowMs;
  }

  /** The entry of a source; one that has none takes over the smallest, with its count as possible error. */
  #entryOf(source: Uint32Array): number {
    let smallest = FIRST;
    for (let at = FIRST; at < FIRST + ENTRIES * STRIDE; at += STRIDE) {
      if (this.#get(at + COUNT) === 0) return this.#claim(at, source);
      if (this.#is(at, source)) return at;
      if (this.#get(at + COUNT) < this.#get(smallest + COUNT)) smallest = at;
    }
    return this.#claim(smallest, source);
  }

  #claim(at: number, source: Uint32Array): number {
    this.#numbers[at + ERROR] = this.#get(at + COUNT);
    for (let word = 0; word < 4; word += 1) this.#words[2 * at + word] = source[word] as number;
    return at;
  }

  #is(at: number, source: Uint32Array): boolean {
    for (let word = 0; word < 4; word += 1)
      if (this.#words[2 * at + word] !== source[word]) return false;
    return true;
  }

  #read(at: number): Offender | undefined {
    const refusals = this.#get(at + COUNT);
    const rule = RULE_NAMES[this.#get(at + RULE)];
    if (refusals === 0 || rule === undefined) return undefined;
    const words = Array.from(this.#words.subarray(2 * at, 2 * at + 4));
    return { words, refusals, error: this.#get(at + ERROR), rule, lastMs: this.#get(at + LAST) };
  }

  #increase(cell: number): void {
    this.#numbers[cell] = this.#get(cell) + 1;
  }

  #get(cell: number): number {
    return this.#numbers[cell] as number;
  }
}

function joined(newer: Offender, older: Offender): Offender {
  return {
    ...newer,
    refusals: newer.refusals + older.refusals,
    error: newer.error + older.error,
  };
}
