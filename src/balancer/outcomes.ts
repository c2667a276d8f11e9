// What becomes of endpoints that fail and of those that begin: joins ejection, probes, slow start and panic.
import type { AccrualConfig, SlowStartConfig } from "../config/accrual-types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { ConnectFailure } from "../transport/connector.ts";
import type { ConnectionContext, Unanswered } from "./connection.ts";
import { EjectionReport } from "./ejection-report.ts";
import { Ejector } from "./ejector.ts";
import type { Endpoint } from "./endpoint.ts";
import type { BalancerMetrics } from "./metrics.ts";
import type { Pool } from "./pool.ts";
import { type ProbeObserver, Prober } from "./prober.ts";
import { SlowStart } from "./slow-start.ts";

/** What is done about outcomes. */
export interface OutcomeSettings {
  readonly accrual: AccrualConfig;
  readonly slowStart: SlowStartConfig;
  /** See DestinationConfig. */
  readonly panicThresholdPercent: number;
}

export interface OutcomesParts {
  readonly settings: OutcomeSettings;
  readonly pool: Pool;
  readonly metrics: BalancerMetrics;
  readonly log: Logger;
  readonly clock: Clock;
  readonly rng: Rng;
}

export class Outcomes implements ProbeObserver {
  readonly #parts: OutcomesParts;
  readonly #ejector: Ejector;
  readonly #slowStart: SlowStart;
  #prober: Prober | undefined;
  #panics = false;

  constructor(parts: OutcomesParts) {
    const { settings, pool, metrics, log, clock, rng } = parts;
    this.#parts = parts;
    this.#slowStart = new SlowStart({
      config: settings.slowStart,
      clock,
      gauge: metrics.ejection.warming,
      onWeight: (endpoint) => pool.reweigh(endpoint),
    });
    this.#ejector = new Ejector({
      config: settings.accrual,
      pool,
      slowStart: this.#slowStart,
      clock,
      rng,
      report: new EjectionReport({
        metrics: metrics.ejection,
        log,
        onChange: () => this.notePanic(),
      }),
      probe: (endpoint, watch) => this.#prober?.probe(endpoint, watch),
    });
  }

  /** How probes are made from now on; `preamble` is what endpoints are told first of all. */
  probeWith(context: ConnectionContext, preamble: Uint8Array | undefined): void {
    this.#prober = new Prober(context, this, preamble);
  }

  /** What counts from now on. Endpoints that are out stay so until their probes, unless nothing is ejected any more. */
  reconfigure(settings: OutcomeSettings): void {
    this.#slowStart.setConfig(settings.slowStart);
    this.#parts.pool.setPanicThreshold(settings.panicThresholdPercent);
    this.#ejector.setConfig(settings.accrual);
    this.notePanic();
  }

  /** A connection was made. */
  connected(endpoint: Endpoint): void {
    this.#ejector.connected(endpoint);
  }

  /** A connection could not be made. */
  failed(endpoint: Endpoint, failure: ConnectFailure, detail: string): void {
    this.#logFailure(endpoint, failure, detail);
    // Descriptors that ran out are no fault of the endpoint's.
    if (failure === "descriptors") return;
    endpoint.lastFailure = `${failure}: ${detail}`;
    // Where nobody listens the system says ECONNREFUSED. This one was accepted, and reset before that was noticed here:
    // the next, and a probe, may well stand for a moment.
    this.#ejector.failed(endpoint, detail === "ECONNRESET" ? "early_reset" : failure);
  }

  /** Whether it matters when the endpoint first says something. */
  wantsAnswers(endpoint: Endpoint): boolean {
    return this.#ejector.wantsAnswers(endpoint);
  }

  answered(endpoint: Endpoint): void {
    this.#ejector.answered(endpoint);
  }

  /** A connection ended without a word from the endpoint. */
  unanswered(endpoint: Endpoint, how: Unanswered): void {
    if (how === "silent") return this.#ejector.endedSilently(endpoint);
    this.#parts.metrics.ejection.earlyResets.add(1);
    endpoint.lastFailure = "reset before it had sent a byte";
    this.#ejector.failed(endpoint, how);
  }

  /** Endpoints have come, where there were `others`. */
  arrived(endpoints: readonly Endpoint[], others: number): void {
    if (endpoints.length > 0) this.#slowStart.arrived(endpoints, others);
  }

  /** Something else than failures here lets the endpoint be picked again. */
  recovered(endpoint: Endpoint): void {
    if (endpoint.state === "ready") this.#slowStart.recovered(endpoint);
  }

  /** Something else than failures here keeps the endpoint from being picked. */
  lost(endpoint: Endpoint): void {
    this.#slowStart.end(endpoint);
  }

  /** The endpoint is resolved no more. */
  retired(endpoint: Endpoint): void {
    this.#ejector.retired(endpoint);
  }

  /** To be called after changes of the endpoints. Answers whether panic has begun. */
  settle(): boolean {
    const panics = this.#parts.pool.settle();
    this.#ejector.keepToShare();
    return panics;
  }

  /** Tells of panic that has begun or ended. */
  notePanic(): void {
    const { pool, metrics, log } = this.#parts;
    const { panics } = pool;
    if (panics === this.#panics) return;
    this.#panics = panics;
    metrics.panic.set(panics ? 1 : 0);
    const fields = () => ({ endpoints: pool.size });
    if (panics) log.warn("too few endpoints are well: those that fail are tried too", fields);
    else log.info("enough endpoints are well again", fields);
  }

  /** Probes no more. */
  stop(): void {
    this.#ejector.stop();
    this.#prober?.stop();
  }

  onProbed(endpoint: Endpoint): void {
    this.#ejector.probeSucceeded(endpoint);
  }

  onProbeAnswered(endpoint: Endpoint): void {
    this.#ejector.answered(endpoint);
  }

  onProbeFailed(endpoint: Endpoint, failure: ConnectFailure | "early_reset", detail: string): void {
    this.#logFailure(endpoint, failure, detail);
    this.#ejector.probeFailed(endpoint, failure === "descriptors" ? undefined : failure);
  }

  #logFailure(endpoint: Endpoint, failure: string, detail: string): void {
    const { ip, port } = endpoint.target;
    this.#parts.log.debug("connect failed", () => ({ endpoint: `${ip}:${port}`, failure, detail }));
  }
}
