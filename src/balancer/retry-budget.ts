// How many attempts to connect may be retries: a pure count of tokens, without timers. retry-queue.ts makes others wait.

/** Bounds of retries, for one destination on one worker. */
export interface RetryBudgetSettings {
  /** Retries allowed whatever the number of connections, a second; 0 or more, fractions too. */
  readonly minRetriesPerSec: number;
  /** Retries allowed for each new connection: 0.2 is one for five; 0 or more. */
  readonly percentCanRetry: number;
  /** How long a new connection counts; more than 0. */
  readonly ttlMs: number;
}

/** Connections are counted in this many parts of the time to live. */
const PARTS = 10;
/** What of the minimum rate is kept when it is not used. */
const RESERVE_MS = 1_000;
/** Sums of fractions such as 0.2 fall short of a whole by less than this. */
const ROUNDING = 1e-6;

/**
 * A retry takes one token. Tokens come from the minimum rate, of which up to a second's worth is kept, and from new
 * connections, each of which gives `percentCanRetry`; those are lost when not used within the time to live. The percentage
 * and the time to live are those of finagle's RetryBudget. Its minimum rate may be spent in one burst for the whole time
 * to live, after which there is none until that is over; here it comes evenly.
 *
 * In any time t, tokens taken less those given back are at most `minRetriesPerSec` (t + 1 s), at least one, plus
 * `percentCanRetry` for each connection of that time and the time to live before it.
 */
export class RetryBudget {
  readonly #settings: RetryBudgetSettings;
  readonly #partMs: number;
  readonly #reserveLimit: number;
  /** Tokens of the minimum rate. */
  #reserve: number;
  #reserveMs: number;
  /** Tokens of connections, by the part of time in which they came; a ring. */
  readonly #parts = new Float64Array(PARTS);
  /** What has been taken of each. */
  readonly #taken = new Float64Array(PARTS);
  /** Number of the newest part, counted from the beginning of time. */
  #newest: number;
  #deposited = 0;

  constructor(settings: RetryBudgetSettings, nowMs: number) {
    this.#settings = settings;
    this.#partMs = settings.ttlMs / PARTS;
    const { minRetriesPerSec } = settings;
    // A worker's share of a small rate must still come to a whole token one day.
    this.#reserveLimit =
      minRetriesPerSec > 0 ? Math.max(1, (minRetriesPerSec * RESERVE_MS) / 1000) : 0;
    this.#reserve = this.#reserveLimit;
    this.#reserveMs = nowMs;
    this.#newest = this.#partOf(nowMs);
  }

  /** A connection is tried for the first time. */
  deposit(nowMs: number): void {
    this.#moveTo(nowMs);
    const { percentCanRetry } = this.#settings;
    const at = this.#newest % PARTS;
    this.#parts[at] = (this.#parts[at] as number) + percentCanRetry;
    this.#deposited += percentCanRetry;
  }

  /** Takes a token if there is one. */
  withdraw(nowMs: number): boolean {
    if (this.balance(nowMs) < 1) return false;
    // Of the minimum rate first: it comes again, and what is above its limit is lost.
    const fromReserve = Math.min(1, this.#reserve);
    this.#reserve -= fromReserve;
    this.#take(1 - fromReserve);
    return true;
  }

  /** A token that was taken was not needed. There are never more for it than if it had not been taken. */
  giveBack(nowMs: number): void {
    this.#moveTo(nowMs);
    const toReserve = Math.min(1, this.#reserveLimit - this.#reserve);
    this.#reserve += toReserve;
    let left = 1 - toReserve;
    for (let part = this.#newest; part > this.#newest - PARTS && left > 0; part -= 1) {
      left -= this.#move((part + PARTS) % PARTS, -left);
    }
  }

  /** Tokens there are. */
  balance(nowMs: number): number {
    this.#moveTo(nowMs);
    return this.#reserve + this.#deposited + ROUNDING;
  }

  /** Whether nothing is left of connections, and the reserve is full. */
  isAtRest(nowMs: number): boolean {
    return this.balance(nowMs) === this.#reserveLimit + ROUNDING;
  }

  /** How long until there is a token, if no connection comes, in milliseconds; Infinity for never. */
  waitMs(nowMs: number): number {
    const missing = 1 - this.balance(nowMs);
    if (missing <= 0) return 0;
    return (missing / this.#settings.minRetriesPerSec) * 1000;
  }

  #partOf(nowMs: number): number {
    return Math.floor(nowMs / this.#partMs);
  }

  #moveTo(nowMs: number): void {
    const rate = this.#settings.minRetriesPerSec / 1000;
    const sinceMs = nowMs - this.#reserveMs;
    this.#reserve = Math.min(this.#reserveLimit, this.#reserve + sinceMs * rate);
    this.#reserveMs = nowMs;
    const newest = this.#partOf(nowMs);
    const oldest = newest - PARTS;
    // Each part that has come since takes the place of one that is too old by now.
    for (let part = Math.max(this.#newest, oldest) + 1; part <= newest; part += 1) {
      this.#deposited -= this.#parts[part % PARTS] as number;
      this.#parts[part % PARTS] = 0;
      this.#taken[part % PARTS] = 0;
    }
    if (newest > this.#newest && this.#deposited < ROUNDING) this.#deposited = 0;
    this.#newest = newest;
  }

  /** Takes from the oldest connections first: theirs are lost the soonest. */
  #take(amount: number): void {
    let left = amount;
    for (let part = this.#newest - PARTS + 1; part <= this.#newest && left > 0; part += 1) {
      left -= this.#move((part + PARTS) % PARTS, left);
    }
  }

  /** Takes up to `amount` of a part, or puts back up to -`amount` of what was taken of it. Answers how much it was. */
  #move(at: number, amount: number): number {
    const there = this.#parts[at] as number;
    const taken = this.#taken[at] as number;
    const moved = amount > 0 ? Math.min(amount, there) : -Math.min(-amount, taken);
    this.#parts[at] = there - moved;
    this.#taken[at] = taken + moved;
    this.#deposited -= moved;
    return Math.abs(moved);
  }
}
