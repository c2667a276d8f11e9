// When failures are too many: the rules of `failureAccrual`. Owns what is remembered of one endpoint for that.
import type { AccrualRule } from "../config/accrual-types.ts";

/** What one endpoint did in one respect, as one worker saw it. */
export interface Tally {
  succeeded(nowMs: number): void;
  /** Answers whether there are too many failures now. */
  failed(nowMs: number): boolean;
  /** For people: `5 in a row`. */
  describe(): string;
}

/** A rule. */
export interface AccrualPolicy {
  /** Whether it must be told of every success, and not only of those after failures. */
  readonly countsSuccesses: boolean;
  readonly make: () => Tally;
}

/** Outcomes within the window of a windowed rate without which it says nothing, as in linkerd. */
const LEAST_OUTCOMES = 5;

/** The policy of a rule; undefined for one that ejects nothing. */
export function createPolicy(rule: AccrualRule): AccrualPolicy | undefined {
  switch (rule.kind) {
    case "none":
      return undefined;
    case "consecutiveFailures":
      return { countsSuccesses: false, make: () => new Row(rule.failures) };
    case "successRate":
      return {
        countsSuccesses: true,
        make: () => new RateByCount(rule.successRate, rule.requests),
      };
    case "successRateWindowed":
      return {
        countsSuccesses: true,
        make: () => new RateByTime(rule.successRate, rule.windowMs),
      };
    default:
      return rule satisfies never;
  }
}

/** Failures in a row. */
class Row implements Tally {
  readonly #most: number;
  #failures = 0;

  constructor(most: number) {
    this.#most = most;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): boolean {
    this.#failures += 1;
    return this.#failures >= this.#most;
  }

  describe(): string {
    return `${this.#failures} in a row`;
  }
}

/**
 * An exponentially weighted average, as Finagle's Ema (com.twitter.finagle.util.Ema): the first value is taken whole, and
 * another one, x, with the weight 1 - e^(-d / window), where d is how much later it came, on any clock.
 */
class Average {
  readonly #window: number;
  #value: number | undefined;
  #at = 0;

  constructor(window: number) {
    this.#window = window;
  }

  get value(): number {
    return this.#value ?? 1;
  }

  add(x: number, at: number): number {
    const left = this.#value === undefined ? 0 : Math.exp((this.#at - at) / this.#window);
    this.#value = x * (1 - left) + this.value * left;
    this.#at = at;
    return this.#value;
  }
}

/** The rate over the last `requests` outcomes: the average's clock counts outcomes. */
class RateByCount implements Tally {
  readonly #least: number;
  readonly #requests: number;
  readonly #average: Average;
  #outcomes = 0;

  constructor(least: number, requests: number) {
    this.#least = least;
    this.#requests = requests;
    this.#average = new Average(requests);
  }

  succeeded(): void {
    this.#outcomes += 1;
    this.#average.add(1, this.#outcomes);
  }

  failed(): boolean {
    this.#outcomes += 1;
    const rate = this.#average.add(0, this.#outcomes);
    return this.#outcomes >= this.#requests && rate < this.#least;
  }

  describe(): string {
    return `success rate ${this.#average.value.toFixed(2)} of ${this.#outcomes}`;
  }
}

/** The rate over the last `windowMs`. */
class RateByTime implements Tally {
  readonly #least: number;
  readonly #windowMs: number;
  readonly #average: Average;
  /** When the last few outcomes came, round and round; -1 for none. */
  readonly #last = new Float64Array(LEAST_OUTCOMES).fill(-1);
  #next = 0;
  #sinceMs = -1;

  constructor(least: number, windowMs: number) {
    this.#least = least;
    this.#windowMs = windowMs;
    this.#average = new Average(windowMs);
  }

  succeeded(nowMs: number): void {
    this.#note(nowMs);
    this.#average.add(1, nowMs);
  }

  failed(nowMs: number): boolean {
    this.#note(nowMs);
    const rate = this.#average.add(0, nowMs);
    // The oldest of the last few is the one that is written over next.
    const oldestMs = this.#last[this.#next] ?? -1;
    const isEnough = oldestMs >= 0 && nowMs - oldestMs <= this.#windowMs;
    return isEnough && nowMs - this.#sinceMs >= this.#windowMs && rate < this.#least;
  }

  describe(): string {
    return `success rate ${this.#average.value.toFixed(2)} in ${this.#windowMs / 1000} s`;
  }

  #note(nowMs: number): void {
    if (this.#sinceMs < 0) this.#sinceMs = nowMs;
    this.#last[this.#next] = nowMs;
    this.#next = (this.#next + 1) % LEAST_OUTCOMES;
  }
}
