// Who may retry now and who waits for the budget of retries: a storm of attempts cannot happen, and nobody is refused.
import type { Cancel, Clock } from "../lib/clock.ts";
import { sameData } from "../lib/same-data.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Counter } from "../telemetry/metrics.ts";
import { RetryBudget, type RetryBudgetSettings } from "./retry-budget.ts";
import { type QueueMetrics, WaitQueue } from "./wait-queue.ts";

/** Distance of two lines of the log about a budget that is spent. */
const WARN_PERIOD_MS = 60_000;
/** Timers have no finer grain. */
const SHORTEST_TIMER_MS = 1;

/** Who wants to try another endpoint. */
export interface Retrier {
  /** It is its turn, and a token is taken. It may be used or given back at once. */
  onRetryTurn(): void;
}

/** What a queue is made of. */
export interface RetryQueueParts {
  readonly settings: RetryBudgetSettings;
  readonly clock: Clock;
  readonly metrics: QueueMetrics;
  /** Retries that were made. */
  readonly made: Counter;
  readonly log: Logger;
}

/**
 * Retries of one destination on one worker, as the budget allows, first-in first-out. What waits has one timer in all, and
 * wakes up one by one. A retry that reaches an endpoint gives its token back: it was no load in vain, so that behind many
 * endpoints that fail all clients come through to one that does not.
 */
export class RetryQueue {
  readonly #parts: RetryQueueParts;
  #settings: RetryBudgetSettings;
  #budget: RetryBudget;
  readonly #queue: WaitQueue<Retrier>;
  #cancel: Cancel | undefined;
  #warnedMs = Number.NEGATIVE_INFINITY;
  #granting = false;

  constructor(parts: RetryQueueParts) {
    this.#parts = parts;
    this.#settings = parts.settings;
    this.#budget = new RetryBudget(parts.settings, parts.clock.now());
    this.#queue = new WaitQueue(parts.clock, parts.metrics);
  }

  /** Retries that may begin at once. */
  get balance(): number {
    return Math.floor(this.#budget.balance(this.#parts.clock.now()));
  }

  /** Another budget from now on, which begins full; those who wait keep their order. */
  setSettings(settings: RetryBudgetSettings): void {
    if (sameData(settings, this.#settings)) return;
    this.#settings = settings;
    this.#budget = new RetryBudget(settings, this.#parts.clock.now());
    this.#cancel?.();
    this.#cancel = undefined;
    this.#grant();
  }

  /** An attempt has begun: a retry, for which a token was taken, or the first of somebody. */
  attempted(isRetry: boolean): void {
    if (isRetry) return this.#parts.made.add(1);
    this.#budget.deposit(this.#parts.clock.now());
    this.#grant();
  }

  /** Takes a token: true, and the retry may begin; or false, and the retrier is told when it is its turn. */
  take(retrier: Retrier): boolean {
    const nowMs = this.#parts.clock.now();
    if (this.#queue.size === 0 && this.#budget.withdraw(nowMs)) return true;
    this.#queue.join(retrier);
    this.#arm();
    return false;
  }

  /** The token that was taken was not needed. */
  giveBack(): void {
    this.#budget.giveBack(this.#parts.clock.now());
    this.#grant();
  }

  /** Waits no more. */
  leave(retrier: Retrier): void {
    this.#queue.leave(retrier);
    if (this.#queue.size === 0) this.#disarm();
  }

  #grant(): void {
    // Those whose turn it is may give their token back at once: the loop goes on with it.
    if (this.#granting || this.#queue.size === 0) return;
    this.#granting = true;
    this.#queue.visit((retrier) => {
      if (!this.#budget.withdraw(this.#parts.clock.now())) return false;
      this.#queue.leave(retrier);
      retrier.onRetryTurn();
      return true;
    });
    this.#granting = false;
    // A timer that runs is left alone: one that fires too early looks again.
    this.#arm();
  }

  #arm(): void {
    if (this.#cancel !== undefined || this.#queue.size === 0) return;
    const waitMs = this.#budget.waitMs(this.#parts.clock.now());
    // Without a minimum rate only other connections bring tokens.
    if (waitMs === Number.POSITIVE_INFINITY) return this.#warn();
    this.#cancel = this.#parts.clock.after(Math.max(SHORTEST_TIMER_MS, waitMs), () => {
      this.#cancel = undefined;
      // Not when the first joins: by now it shows how many they are.
      this.#warn();
      this.#grant();
    });
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #warn(): void {
    const nowMs = this.#parts.clock.now();
    if (nowMs - this.#warnedMs < WARN_PERIOD_MS) return;
    this.#warnedMs = nowMs;
    const waiting = this.#queue.size;
    this.#parts.log.warn("retry budget is spent: connections wait for their next attempt", () => ({
      waiting,
    }));
  }
}
