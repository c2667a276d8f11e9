// Decides when a failing endpoint is ejected, probes it after its penalty, and readmits it.
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Pool } from "./pool.ts";

/** When an endpoint is ejected, and for how long. */
export interface EjectionPolicy {
  /** Connect failures in a row that eject an endpoint, 1 or more. */
  readonly maxConsecutiveFailures: number;
  /** Time from the ejection, or from a failed probe, to the next probe; 0 ejects nothing. */
  readonly failurePenaltyMs: number;
}

/** Begins one connection to an endpoint whose only purpose is to see whether it can be made. */
export type Probe = (endpoint: Endpoint) => void;

/** Told of changes that people want to see in the log. */
export type OnEjection = (endpoint: Endpoint, change: "ejected" | "readmitted") => void;

/** Follows the outcomes of all endpoints of a pool. No client waits for a probe: it is a connection of its own. */
export class Ejector {
  readonly #pool: Pool;
  #policy: EjectionPolicy;
  readonly #clock: Clock;
  readonly #probe: Probe;
  readonly #onEjection: OnEjection;
  readonly #penalties = new Map<Endpoint, Cancel>();

  constructor(
    pool: Pool,
    policy: EjectionPolicy,
    clock: Clock,
    probe: Probe,
    onEjection: OnEjection,
  ) {
    this.#pool = pool;
    this.#policy = policy;
    this.#clock = clock;
    this.#probe = probe;
    this.#onEjection = onEjection;
  }

  /** What counts from the next failure on. Penalties that run go on as they are. */
  setPolicy(policy: EjectionPolicy): void {
    this.#policy = policy;
  }

  /** A connection was made: failures are forgotten, an ejected endpoint returns. */
  succeeded(endpoint: Endpoint): void {
    endpoint.failures = 0;
    if (endpoint.state !== "ejected") return;
    this.#clearPenalty(endpoint);
    this.#pool.readmit(endpoint);
    this.#onEjection(endpoint, "readmitted");
  }

  /** A connection could not be made. */
  failed(endpoint: Endpoint): void {
    endpoint.failures += 1;
    const { maxConsecutiveFailures, failurePenaltyMs } = this.#policy;
    if (endpoint.state !== "ready" || endpoint.failures < maxConsecutiveFailures) return;
    // Without a penalty there would be one probe after the other, as fast as they fail.
    if (failurePenaltyMs === 0) return;
    this.#pool.eject(endpoint);
    this.#onEjection(endpoint, "ejected");
    this.#penalize(endpoint);
  }

  /** A probe of an ejected endpoint failed: another penalty, then another probe. */
  probeFailed(endpoint: Endpoint): void {
    if (endpoint.state !== "ejected") return;
    if (this.#policy.failurePenaltyMs > 0) return this.#penalize(endpoint);
    // Nothing is to be ejected any more, and without a penalty there would be one probe after the other.
    this.#pool.readmit(endpoint);
    this.#onEjection(endpoint, "readmitted");
  }

  /** Forgets an endpoint that is no longer resolved. */
  retired(endpoint: Endpoint): void {
    this.#clearPenalty(endpoint);
  }

  /** Ends all penalties without a probe. */
  stop(): void {
    for (const cancel of this.#penalties.values()) cancel();
    this.#penalties.clear();
  }

  #penalize(endpoint: Endpoint): void {
    this.#clearPenalty(endpoint);
    const cancel = this.#clock.after(this.#policy.failurePenaltyMs, () => {
      this.#penalties.delete(endpoint);
      this.#probe(endpoint);
    });
    this.#penalties.set(endpoint, cancel);
  }

  #clearPenalty(endpoint: Endpoint): void {
    this.#penalties.get(endpoint)?.();
    this.#penalties.delete(endpoint);
  }
}
