// Decides when a failing endpoint is ejected, probes it after its penalty, and readmits it.
import type { AccrualConfig } from "../config/accrual-types.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { sameData } from "../lib/same-data.ts";
import type { EjectionReason } from "../telemetry/ejection-note.ts";
import { type AccrualPolicy, createPolicy, type Tally } from "./accrual-policy.ts";
import type { EjectionLimit, EjectionReport } from "./ejection-report.ts";
import type { Endpoint } from "./endpoint.ts";
import { penaltyMs } from "./penalty.ts";
import type { Pool } from "./pool.ts";
import type { SlowStart } from "./slow-start.ts";

/** In what respect an endpoint fails: it cannot be connected to, or it resets what stands before it has said anything. */
type Respect = "connect" | "answer";

/** What is remembered of an endpoint. Each respect has its own tally: a connect forgives no early resets. */
export interface Accrual extends Record<Respect, Tally | undefined> {
  /** From the first ejection to the success that ends its cause. */
  ejection: Ejection | undefined;
  /** In which respect it fails too often, without being ejected. */
  withheld: Respect | undefined;
  /** When people were last told so. */
  withheldMs: number;
}

interface Ejection {
  readonly respect: Respect;
  /** Penalties so far. */
  readonly round: number;
  readonly penaltyMs: number;
  /** In a dry run: when the penalty would be over. */
  readonly untilMs: number;
  cancel: Cancel | undefined;
}

/** Failures that are withheld are told again after this time. */
const WITHHELD_LOG_PERIOD_MS = 60_000;

/** What an ejector is made of. */
export interface EjectorParts {
  readonly config: AccrualConfig;
  readonly pool: Pool;
  readonly slowStart: SlowStart;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly report: EjectionReport;
  /**
   * Begins one connection to an endpoint whose only purpose is to see whether it can be made; no client waits for it. With
   * `watch`, whether the endpoint leaves it standing matters too.
   */
  readonly probe: (endpoint: Endpoint, watch: boolean) => void;
}

/**
 * Follows the outcomes of all endpoints of a pool. An endpoint is alive, until its failures are too many; then it is out for a
 * penalty, and then it is probed: what succeeds is alive again, what fails is out for the next penalty. An endpoint whose
 * early resets ejected it is only on trial after its probe: one more ejects it at once, and an answer acquits it.
 */
export class Ejector {
  readonly #parts: EjectorParts;
  #config: AccrualConfig;
  #policy: AccrualPolicy | undefined;
  /** Those that are ejected, or would be, the longest first. */
  readonly #out = new Set<Endpoint>();

  constructor(parts: EjectorParts) {
    this.#parts = parts;
    this.#config = parts.config;
    this.#policy = createPolicy(parts.config.rule);
    parts.report.setDryRun(parts.config.dryRun);
  }

  /**
   * Goes by `config` from now on. What another rule has counted is forgotten. Endpoints that are out stay so until their
   * probes, unless nothing is ejected any more; penalties that run go on as they are.
   */
  setConfig(config: AccrualConfig): void {
    const before = this.#config;
    if (sameData(before, config)) return;
    this.#config = config;
    if (!sameData(before.rule, config.rule)) {
      this.#policy = createPolicy(config.rule);
      for (const { accrual } of this.#parts.pool.endpoints) {
        if (accrual === undefined) continue;
        accrual.connect = undefined;
        accrual.answer = undefined;
      }
    }
    if (this.#policy === undefined || config.dryRun !== before.dryRun) {
      for (const endpoint of this.#out) this.#readmit(endpoint, "the configuration has changed");
    }
    this.#parts.report.setDryRun(config.dryRun);
    this.keepToShare();
  }

  /** Whether it matters when the endpoint first says something. */
  wantsAnswers({ accrual }: Endpoint): boolean {
    return accrual !== undefined || this.#policy?.countsSuccesses === true;
  }

  /** A connection was made. */
  connected(endpoint: Endpoint): void {
    if (this.wantsAnswers(endpoint)) this.#succeed(endpoint, "connect");
  }

  /** An endpoint has said something: no early reset is held against it any more. */
  answered(endpoint: Endpoint): void {
    if (this.wantsAnswers(endpoint)) this.#succeed(endpoint, "answer");
  }

  /** A connection ended in good order without a word from the endpoint: a success for rates, but no proof of an answer. */
  endedSilently(endpoint: Endpoint): void {
    if (this.#policy?.countsSuccesses === true && endpoint.state !== "retired")
      this.#tally(endpoint, "answer", this.#policy).succeeded(this.#parts.clock.now());
  }

  /** A connection could not be made, or was reset early. */
  failed(endpoint: Endpoint, reason: EjectionReason): void {
    const policy = this.#policy;
    if (policy === undefined || endpoint.state === "retired") return;
    const respect = reason === "early_reset" ? "answer" : "connect";
    const areTooMany = this.#tally(endpoint, respect, policy).failed(this.#parts.clock.now());
    if (endpoint.state === "ejected") return;
    const isOnTrial = respect === "answer" && endpoint.accrual?.ejection?.respect === "answer";
    // What another worker has found out need not be found out again: one failure here confirms it.
    if (areTooMany || isOnTrial || endpoint.row.ejected > 0) this.#eject(endpoint, respect, reason);
  }

  /** A probe made its connection, and it was left standing. */
  probeSucceeded(endpoint: Endpoint): void {
    this.connected(endpoint);
    if (endpoint.state === "ejected") this.#readmit(endpoint, "on trial");
  }

  /** A probe failed: another penalty, then another probe. No reason: the failure was not the endpoint's. */
  probeFailed(endpoint: Endpoint, reason: EjectionReason | undefined): void {
    const ejection = endpoint.accrual?.ejection;
    if (endpoint.state !== "ejected" || ejection === undefined) return;
    if (reason === undefined) this.#schedule(endpoint, ejection);
    else this.#penalize(endpoint, ejection.respect, reason);
  }

  /** To be called after changes of the endpoints: what is out must not be too large a part of what is left. */
  keepToShare(): void {
    for (const endpoint of this.#out) {
      if (this.#out.size <= this.#most) return;
      this.#readmit(endpoint, "too few endpoints are left");
    }
  }

  /** Forgets that an endpoint that is no longer resolved was ejected. */
  retired(endpoint: Endpoint): void {
    this.#release(endpoint);
    if (endpoint.accrual !== undefined) endpoint.accrual.ejection = undefined;
    this.#parts.slowStart.end(endpoint);
  }

  /** Ends all penalties without a probe. */
  stop(): void {
    for (const { accrual } of this.#out) accrual?.ejection?.cancel?.();
    this.#parts.slowStart.stop();
  }

  /** How many may be out at a time. */
  get #most(): number {
    return Math.floor((this.#parts.pool.size * this.#config.maxEjectedPercent) / 100);
  }

  #tally(endpoint: Endpoint, respect: Respect, policy: AccrualPolicy): Tally {
    return (accrualOf(endpoint)[respect] ??= policy.make());
  }

  #succeed(endpoint: Endpoint, respect: Respect): void {
    const policy = this.#policy;
    if (policy === undefined || endpoint.state === "retired") return;
    const { accrual } = endpoint;
    // A connect says nothing of an endpoint that connects and resets; an answer on a connection that was made before, nothing
    // of one that cannot be connected to any more.
    if (accrual?.withheld === respect) this.#release(endpoint);
    if (accrual?.ejection?.respect === respect) {
      this.#readmit(endpoint, "success");
      accrual.ejection = undefined;
      accrual[respect] = undefined;
    }
    if (policy.countsSuccesses) {
      this.#tally(endpoint, respect, policy).succeeded(this.#parts.clock.now());
      return;
    }
    if (accrual === undefined) return;
    accrual[respect] = undefined;
    const isClean = accrual.connect === undefined && accrual.answer === undefined;
    if (isClean && accrual.ejection === undefined) endpoint.accrual = undefined;
  }

  #eject(endpoint: Endpoint, respect: Respect, reason: EjectionReason): void {
    const { clock, pool, slowStart } = this.#parts;
    const config = this.#config;
    const isOut = this.#out.has(endpoint);
    if (isOut && clock.now() < (endpoint.accrual?.ejection?.untilMs ?? 0)) return;
    const limit = isOut ? undefined : this.#limitFor(endpoint);
    if (limit !== undefined) return this.#withhold(endpoint, respect, reason, limit);
    this.#out.add(endpoint);
    if (!config.dryRun) {
      slowStart.end(endpoint);
      pool.eject(endpoint);
    }
    this.#penalize(endpoint, respect, reason);
    const { accrual } = endpoint;
    this.#parts.report.ejected(endpoint, {
      reason,
      evidence: accrual?.[respect]?.describe() ?? "",
      penaltyMs: accrual?.ejection?.penaltyMs ?? 0,
    });
  }

  #limitFor(endpoint: Endpoint): EjectionLimit | undefined {
    const { pool } = this.#parts;
    const config = this.#config;
    // In a dry run those that are out may still be picked.
    const usable = pool.usableBeside([endpoint]) - (config.dryRun ? this.#out.size : 0);
    if (usable < 1) return "last";
    return this.#out.size >= this.#most ? "share" : undefined;
  }

  #withhold(
    endpoint: Endpoint,
    respect: Respect,
    reason: EjectionReason,
    limit: EjectionLimit,
  ): void {
    const { clock, report } = this.#parts;
    const { accrual } = endpoint;
    if (accrual === undefined) return;
    const isNews = clock.now() - accrual.withheldMs >= WITHHELD_LOG_PERIOD_MS;
    if (isNews) accrual.withheldMs = clock.now();
    accrual.withheld = respect;
    endpoint.row.setEjection({ kind: "withheld", reason, probeAtMs: 0 });
    report.withheld(endpoint, reason, limit, isNews ? accrual[respect]?.describe() : undefined);
  }

  #penalize(endpoint: Endpoint, respect: Respect, reason: EjectionReason): void {
    const { clock, rng } = this.#parts;
    const config = this.#config;
    const accrual = accrualOf(endpoint);
    const before = accrual.ejection;
    const round = before === undefined ? 0 : before.round + 1;
    const delayMs = penaltyMs(config.backoff, round, before?.penaltyMs ?? 0, rng);
    before?.cancel?.();
    const untilMs = clock.now() + delayMs;
    const ejection: Ejection = { respect, round, penaltyMs: delayMs, untilMs, cancel: undefined };
    accrual.ejection = ejection;
    accrual.withheld = undefined;
    const probeAtMs = clock.wallTime() + delayMs;
    const kind = config.dryRun ? "dry_run" : "ejected";
    endpoint.row.setEjection({ kind, reason, probeAtMs });
    if (!config.dryRun) this.#schedule(endpoint, ejection);
  }

  #schedule(endpoint: Endpoint, ejection: Ejection): void {
    const { clock, probe } = this.#parts;
    ejection.cancel?.();
    ejection.cancel = clock.after(ejection.penaltyMs, () => {
      ejection.cancel = undefined;
      probe(endpoint, ejection.respect === "answer");
    });
  }

  #readmit(endpoint: Endpoint, why: string): void {
    const { pool, report, slowStart } = this.#parts;
    const wasOut = this.#release(endpoint);
    const wasEjected = endpoint.state === "ejected";
    pool.readmit(endpoint);
    if (wasEjected) slowStart.begin(endpoint);
    if (wasOut) report.readmitted(endpoint, why);
  }

  /** Takes back what was noted of it. Answers whether it was out, or would have been. */
  #release(endpoint: Endpoint): boolean {
    const { accrual } = endpoint;
    if (accrual !== undefined) accrual.withheld = undefined;
    const ejection = accrual?.ejection;
    ejection?.cancel?.();
    if (ejection !== undefined) ejection.cancel = undefined;
    endpoint.row.setEjection(undefined);
    return this.#out.delete(endpoint);
  }
}

function accrualOf(endpoint: Endpoint): Accrual {
  endpoint.accrual ??= {
    connect: undefined,
    answer: undefined,
    ejection: undefined,
    withheld: undefined,
    withheldMs: Number.NEGATIVE_INFINITY,
  };
  return endpoint.accrual;
}
