// What a worker does when it bears too much: first it accepts no more, so that new connections wait in the kernel's queue or
// go to other workers; when that lasts and nobody else is left, it refuses them. Open connections are not touched.
import type { OverloadConfig } from "../config/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Gauge } from "../telemetry/metrics.ts";
import type { Load } from "./admission.ts";
import type { OverloadBoard } from "./overload-board.ts";

/** The lag is the mean over so many readings: one late timer is no overload. */
const READINGS = 5;
/** The share of the limit below which the lag has to come for all to be well again. */
const RELIEF = 0.5;
/** So long new connections wait in the queue before they are refused. */
const PATIENCE_MS = 1_000;

/** Accepts, and is told when it may not, and when it may again. */
export interface OverloadUser {
  onOverload(): void;
  onRelief(): void;
}

/** What an overload is made of. */
export interface OverloadParts {
  readonly config: OverloadConfig;
  readonly board: OverloadBoard;
  readonly worker: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** 1 while the event loop lags. */
  readonly lagging: Gauge;
}

export class Overload implements Load {
  readonly #parts: OverloadParts;
  readonly #users = new Set<OverloadUser>();
  readonly #readings: number[] = [];
  #isLagging = false;
  /** When accepting stopped; undefined while all is well. */
  #sinceMs: number | undefined;
  #shedding = false;

  constructor(parts: OverloadParts) {
    this.#parts = parts;
  }

  /** Whether connections are left in the queue. */
  get pausing(): boolean {
    return this.#sinceMs !== undefined && !this.#shedding;
  }

  get shedding(): boolean {
    return this.#shedding;
  }

  subscribe(user: OverloadUser): void {
    this.#users.add(user);
  }

  unsubscribe(user: OverloadUser): void {
    this.#users.delete(user);
  }

  /** Takes a reading of the event loop's lag; called some ten times a second. */
  onLag(lagMs: number): void {
    this.#readings.push(lagMs);
    if (this.#readings.length > READINGS) this.#readings.shift();
    this.#judgeLag();
    const { board, config } = this.#parts;
    if (config.dryRun) return;
    if (this.#isLagging || board.memory) this.#suffer();
    else if (this.#sinceMs !== undefined) this.#recover();
  }

  #judgeLag(): void {
    const { config, board, worker, log, lagging } = this.#parts;
    if (this.#readings.length < READINGS) return;
    const meanMs = this.#readings.reduce((sum, lagMs) => sum + lagMs, 0) / READINGS;
    const limitMs = config.maxLoopLagMs;
    const isLagging = this.#isLagging ? meanMs > limitMs * RELIEF : meanMs > limitMs;
    if (isLagging === this.#isLagging) return;
    this.#isLagging = isLagging;
    board.setLagging(worker, isLagging);
    lagging.set(isLagging ? 1 : 0);
    const facts = { worker, lagMs: Math.round(meanMs * 10) / 10, limitMs, dryRun: config.dryRun };
    if (isLagging) log.warn("overload: the event loop lags, new connections wait", () => facts);
    else log.info("overload is over: the event loop is in time again", () => facts);
  }

  #suffer(): void {
    const { clock, board, log, worker } = this.#parts;
    const nowMs = clock.now();
    if (this.#sinceMs === undefined) {
      this.#sinceMs = nowMs;
      for (const user of this.#users) user.onOverload();
      return;
    }
    // As long as another worker is in time, it takes what is in the queue.
    const isHopeless = board.memory || board.allLag;
    const sheds = isHopeless && nowMs - this.#sinceMs >= PATIENCE_MS;
    if (sheds === this.#shedding) return;
    this.#shedding = sheds;
    if (sheds) log.warn("overload lasts: new connections are refused", () => ({ worker }));
    for (const user of this.#users) {
      if (sheds) user.onRelief();
      else user.onOverload();
    }
  }

  #recover(): void {
    this.#sinceMs = undefined;
    this.#shedding = false;
    for (const user of this.#users) user.onRelief();
  }
}
