// An address that is checked: its state, those who want to know it, and the check that is under way.
import { formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { connectTarget, type ConnectTarget } from "../transport/connector.ts";
import type { CheckPlan } from "./check-plan.ts";
import { CheckRun } from "./check-run.ts";
import { type CheckResult, HealthState } from "./health-state.ts";

/** Who wants to know what checks of an address find. */
export interface Subscriber {
  /** For the log: the destination. */
  readonly name: string;
  onResult(result: CheckResult, tookMs: number): void;
  /** The state's verdict has changed. */
  onVerdict(): void;
}

/** So many destinations are named in one line of the log. */
const MOST_NAMED = 3;

export class CheckSubject {
  readonly plan: CheckPlan;
  readonly state: HealthState;
  readonly subscribers = new Set<Subscriber>();
  stopped = false;
  readonly #target: ConnectTarget;
  readonly #clock: Clock;
  readonly #log: Logger;
  #run: CheckRun | undefined;

  constructor(
    plan: CheckPlan,
    { ip, port }: { readonly ip: string; readonly port: number },
    clock: Clock,
    log: Logger,
  ) {
    this.plan = plan;
    this.state = new HealthState(plan, clock.now());
    this.#target = connectTarget(ip, port);
    this.#clock = clock;
    this.#log = log;
  }

  /** Makes one check; `onDone` is called when it is over, unless it is stopped before. */
  check(onDone: () => void): void {
    const startedMs = this.#clock.now();
    this.#run = new CheckRun(this.plan, this.#target, (result) => {
      this.#run = undefined;
      // First: whatever becomes of the result, there is a next check.
      onDone();
      this.#onResult(result, this.#clock.now() - startedMs);
    });
  }

  /** Ends it; answers whether a check was under way, whose `onDone` is not called then. */
  stop(): boolean {
    this.stopped = true;
    const run = this.#run;
    this.#run = undefined;
    run?.abort();
    return run !== undefined;
  }

  #onResult(result: CheckResult, tookMs: number): void {
    const { state } = this;
    const before = { verdict: state.verdict, sinceMs: state.sinceMs };
    const nowMs = this.#clock.now();
    const isNews = state.take(result, nowMs);
    for (const subscriber of this.subscribers) subscriber.onResult(result, tookMs);
    if (!isNews) return;
    const isOfRole = !result.passed && result.cause === "role";
    this.#logVerdict(before.verdict, nowMs - before.sinceMs, isOfRole);
    for (const subscriber of this.subscribers) subscriber.onVerdict();
  }

  #logVerdict(before: HealthState["verdict"], lastedMs: number, isOfRole: boolean): void {
    const { verdict, reason } = this.state;
    const fields = () => ({
      endpoint: formatAddress(this.#target),
      check: this.plan.name,
      reason,
      dst: this.#destinations(),
      was: before,
      forSecs: Math.round(lastedMs / 100) / 10,
    });
    if (verdict === "healthy") this.#log.info("endpoint healthy", fields);
    // That a server is a replica is no trouble of its own.
    else this.#log[isOfRole ? "info" : "warn"]("endpoint unhealthy", fields);
  }

  #destinations(): string {
    const names = Array.from(this.subscribers, ({ name }) => name);
    const more = names.length - MOST_NAMED;
    const named = names.slice(0, MOST_NAMED).join(", ");
    return more > 0 ? `${named} and ${more} more` : named;
  }
}
