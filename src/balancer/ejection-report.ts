// Says what the ejector does: in the log, and in the metrics of a destination on one worker.
import { EJECTION_METRICS as DEFINED } from "../telemetry/catalogue/ejection.ts";
import { EJECTION_REASONS, type EjectionReason } from "../telemetry/ejection-note.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Counter, Gauge } from "../telemetry/metrics.ts";
import type { MetricSource } from "../telemetry/metric-scope.ts";
import type { Endpoint } from "./endpoint.ts";

/** Why an endpoint that fails too often is not ejected: enough are out, or it is the last that connections may go to. */
export type EjectionLimit = "share" | "last";

/** An ejection. */
export interface EjectionFacts {
  readonly reason: EjectionReason;
  /** What the rule had counted. */
  readonly evidence: string;
  readonly penaltyMs: number;
}

type ByReason = Readonly<Record<EjectionReason, Counter>>;

/** Metrics of ejection and slow start. */
export class EjectionMetrics {
  readonly ejections: ByReason;
  readonly readmissions: Counter;
  readonly withheld: Readonly<Record<EjectionLimit, Counter>>;
  readonly earlyResets: Counter;
  readonly warming: Gauge;
  readonly #byReason: (definition: Parameters<MetricSource["counter"]>[0]) => ByReason;
  #dryRuns: ByReason | undefined;

  constructor(registry: MetricSource, router: string, path: string) {
    this.#byReason = (definition) =>
      Object.fromEntries(
        EJECTION_REASONS.map((reason) => [
          reason,
          registry.counter(definition, path, reason, router),
        ]),
      ) as ByReason;
    const withheld = (limit: EjectionLimit) =>
      registry.counter(DEFINED.withheld, path, limit, router);
    this.ejections = this.#byReason(DEFINED.ejections);
    this.readmissions = registry.counter(DEFINED.readmissions, path, router);
    this.withheld = { share: withheld("share"), last: withheld("last") };
    this.earlyResets = registry.counter(DEFINED.earlyResets, path, router);
    this.warming = registry.gauge(DEFINED.warming, path, router);
  }

  /** There only where a dry run asks for them. */
  get dryRuns(): ByReason {
    this.#dryRuns ??= this.#byReason(DEFINED.dryRuns);
    return this.#dryRuns;
  }
}

/** What a report is made of. */
export interface EjectionReportParts {
  readonly metrics: EjectionMetrics;
  readonly log: Logger;
  /** Something was ejected or readmitted. */
  readonly onChange: () => void;
}

export class EjectionReport {
  readonly #parts: EjectionReportParts;
  #dryRun = false;
  #ejections: ByReason;

  constructor(parts: EjectionReportParts) {
    this.#parts = parts;
    this.#ejections = parts.metrics.ejections;
  }

  /** Whether what is told from now on is only what would be done. */
  setDryRun(dryRun: boolean): void {
    this.#dryRun = dryRun;
    // Asked for now, so that a counter of 0 is there before the first.
    this.#ejections = dryRun ? this.#parts.metrics.dryRuns : this.#parts.metrics.ejections;
  }

  ejected(endpoint: Endpoint, { reason, evidence, penaltyMs }: EjectionFacts): void {
    const { log, onChange } = this.#parts;
    const dryRun = this.#dryRun;
    this.#ejections[reason].add(1);
    log.warn(dryRun ? "endpoint would be ejected (dry run)" : "endpoint ejected", () => ({
      endpoint: endpoint.address,
      reason,
      failures: evidence,
      penaltyMs: Math.round(penaltyMs),
      lastFailure: endpoint.lastFailure,
    }));
    onChange();
  }

  /** `why`: a success, or what else. */
  readmitted(endpoint: Endpoint, why: string): void {
    const { metrics, log, onChange } = this.#parts;
    const dryRun = this.#dryRun;
    if (!dryRun) metrics.readmissions.add(1);
    log.info(dryRun ? "endpoint would be readmitted (dry run)" : "endpoint readmitted", () => ({
      endpoint: endpoint.address,
      why,
    }));
    onChange();
  }

  /** An endpoint fails too often and stays. Logged where there is evidence; always counted. */
  withheld(
    endpoint: Endpoint,
    reason: EjectionReason,
    limit: EjectionLimit,
    evidence: string | undefined,
  ): void {
    const { metrics, log } = this.#parts;
    metrics.withheld[limit].add(1);
    if (evidence === undefined) return;
    const why = limit === "last" ? "it is the last one" : "enough endpoints are out";
    log.warn(`endpoint fails and is not ejected: ${why}`, () => ({
      endpoint: endpoint.address,
      reason,
      failures: evidence,
      lastFailure: endpoint.lastFailure,
    }));
  }
}
