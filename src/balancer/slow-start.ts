// Lets endpoints that are new or back take up their share little by little. Owns the time of those that do.
import type { SlowStartConfig } from "../config/accrual-types.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Gauge } from "../telemetry/metrics.ts";
import type { Endpoint } from "./endpoint.ts";

/** Steps from the beginning to the whole weight. */
const STEPS = 20;

/** What slow start is made of. */
export interface SlowStartParts {
  readonly config: SlowStartConfig;
  readonly clock: Clock;
  /** How many endpoints are warming. */
  readonly gauge: Gauge;
  /** The endpoint's weight has changed. */
  readonly onWeight: (endpoint: Endpoint) => void;
}

/**
 * The weight of an endpoint that begins rises in a line from a part of it to all, in steps. As pickers give shares of load by
 * weight, it is not flooded for having no load yet. There is a timer only while an endpoint warms; a step is O(log n).
 */
export class SlowStart {
  readonly #parts: SlowStartParts;
  #config: SlowStartConfig;
  /** When each began. */
  readonly #warming = new Map<Endpoint, number>();
  /** Since when there have been endpoints. */
  #sinceMs = Number.POSITIVE_INFINITY;
  #cancel: Cancel | undefined;

  constructor(parts: SlowStartParts) {
    this.#parts = parts;
    this.#config = parts.config;
  }

  /** What begins from now on follows `config`. Those that warm have the whole weight at once. */
  setConfig(config: SlowStartConfig): void {
    const { windowMs, minShare } = this.#config;
    if (config.windowMs === windowMs && config.minShare === minShare) return;
    this.stop();
    this.#config = config;
  }

  /** Endpoints have come, where there were `others`. */
  arrived(endpoints: readonly Endpoint[], others: number): void {
    const { clock } = this.#parts;
    const config = this.#config;
    if (config.windowMs === 0) return;
    if (others === 0) this.#sinceMs = clock.now();
    for (const endpoint of endpoints) this.recovered(endpoint);
  }

  /** The endpoint may be picked, and could not before for another reason than its failures here. */
  recovered(endpoint: Endpoint): void {
    const { clock } = this.#parts;
    const config = this.#config;
    // Those that are there are as new themselves: a name that has just been resolved comes in several messages.
    if (clock.now() - this.#sinceMs >= config.windowMs) this.begin(endpoint);
  }

  /** The endpoint begins now, whatever the others do. */
  begin(endpoint: Endpoint): void {
    const { clock } = this.#parts;
    const config = this.#config;
    if (config.windowMs === 0 || config.minShare >= 1) return;
    this.#warming.set(endpoint, clock.now());
    this.#setShare(endpoint, config.minShare);
    this.#cancel ??= clock.every(config.windowMs / STEPS, () => this.#step());
    this.#note();
  }

  /** The endpoint is out: when it is back it begins anew. */
  end(endpoint: Endpoint): void {
    if (!this.#warming.delete(endpoint)) return;
    this.#setShare(endpoint, 1);
    this.#note();
  }

  /** Ends all of it. */
  stop(): void {
    for (const endpoint of [...this.#warming.keys()]) this.end(endpoint);
  }

  #step(): void {
    const { clock } = this.#parts;
    const config = this.#config;
    const nowMs = clock.now();
    for (const [endpoint, startedMs] of this.#warming) {
      const part = (nowMs - startedMs) / config.windowMs;
      if (part >= 1) this.#warming.delete(endpoint);
      this.#setShare(endpoint, Math.min(1, config.minShare + (1 - config.minShare) * part));
    }
    this.#note();
  }

  #setShare(endpoint: Endpoint, share: number): void {
    endpoint.warmth = share;
    this.#parts.onWeight(endpoint);
  }

  #note(): void {
    this.#parts.gauge.set(this.#warming.size);
    if (this.#warming.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
