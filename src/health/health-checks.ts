// All active checks of the process: one for each address and settings, however many destinations ask for it. Decides when
// each is made, and keeps how many are under way within bounds.
import type { HealthCheckConfig } from "../config/health-types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { HEALTH_METRICS } from "../telemetry/catalogue/health.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Gauge } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";
import { ClientTls } from "../transport/client-tls.ts";
import { type CheckedConfig, type CheckPlan, makePlan, planKey } from "./check-plan.ts";
import { Agenda } from "./agenda.ts";
import { CheckSubject, type Subscriber } from "./check-subject.ts";
import type { HealthState } from "./health-state.ts";

/** Intervals differ by up to so much of them, either way, so that checks do not fall into step. */
const JITTER = 0.1;

/** What checks are made with. */
export interface HealthChecksParts {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly registry: Registry;
  /** Checks, and descriptors for them, at a time. */
  readonly maxUnderWay: number;
}

/** Settings whose checks can be asked for. */
export interface PreparedPlan {
  readonly key: string;
  readonly plan: CheckPlan;
}

/** One who asked for the checks of an address. */
export interface Membership {
  /** Shared with others who did. */
  readonly state: HealthState;
  /** Asks no more: the last one to do so ends the checks. */
  leave(): void;
}

export class HealthChecks {
  readonly #parts: HealthChecksParts;
  readonly #clientTls = new ClientTls();
  readonly #plans = new Map<string, CheckPlan>();
  readonly #subjects = new Map<string, CheckSubject>();
  readonly #agenda: Agenda<CheckSubject>;
  /** Due, in the order in which they became so. */
  readonly #waiting = new Set<CheckSubject>();
  readonly #underWayGauge: Gauge;
  readonly #waitingGauge: Gauge;
  #underWay = 0;

  constructor(parts: HealthChecksParts) {
    this.#parts = parts;
    this.#agenda = new Agenda(parts.clock, (subject) => this.#onDue(subject));
    this.#underWayGauge = parts.registry.gauge(HEALTH_METRICS.underWay);
    this.#waitingGauge = parts.registry.gauge(HEALTH_METRICS.waiting);
  }

  /** The same for settings that ask for the same checks. */
  keyOf(health: HealthCheckConfig, client: CheckedConfig): string {
    return planKey(health, client);
  }

  /** Makes ready for checks with these settings. */
  async prepare(health: HealthCheckConfig, client: CheckedConfig): Promise<PreparedPlan> {
    const key = planKey(health, client);
    const known = this.#plans.get(key);
    if (known !== undefined) return { key, plan: known };
    const { clock, log } = this.#parts;
    const onFault = (error: Error): void =>
      log.error("defect", () => ({ detail: error.stack ?? error.message }));
    const plan = await makePlan(health, client, { clock, clientTls: this.#clientTls, onFault });
    this.#plans.set(key, plan);
    return { key, plan };
  }

  /** Asks for checks of an address. If nobody did before, the first is made after `delayMs`. */
  join(
    { key, plan }: PreparedPlan,
    address: { readonly ip: string; readonly port: number },
    delayMs: number,
    subscriber: Subscriber,
  ): Membership {
    const { clock, log } = this.#parts;
    const port = plan.port ?? address.port;
    const name = `${address.ip} ${port} ${key}`;
    let subject = this.#subjects.get(name);
    if (subject === undefined) {
      subject = new CheckSubject(plan, { ip: address.ip, port }, clock, log);
      this.#subjects.set(name, subject);
      this.#agenda.add(clock.now() + delayMs, subject);
    }
    return this.#membership(subject, name, subscriber);
  }

  /** Ends all checks. */
  stop(): void {
    this.#agenda.clear();
    this.#waiting.clear();
    for (const subject of this.#subjects.values()) subject.stop();
    this.#subjects.clear();
  }

  #membership(subject: CheckSubject, name: string, subscriber: Subscriber): Membership {
    subject.subscribers.add(subscriber);
    return {
      state: subject.state,
      leave: () => {
        if (!subject.subscribers.delete(subscriber) || subject.subscribers.size > 0) return;
        this.#subjects.delete(name);
        this.#end(subject);
      },
    };
  }

  #end(subject: CheckSubject): void {
    this.#waiting.delete(subject);
    this.#showWaiting();
    if (subject.stop()) this.#onPlaceFree();
  }

  #onDue(subject: CheckSubject): void {
    if (subject.stopped) return;
    if (this.#underWay < this.#parts.maxUnderWay) return this.#begin(subject);
    this.#waiting.add(subject);
    this.#showWaiting();
  }

  #begin(subject: CheckSubject): void {
    const { clock, rng } = this.#parts;
    const { intervalMs } = subject.plan;
    const nextMs = clock.now() + intervalMs * (1 - JITTER + 2 * JITTER * rng.next());
    this.#underWay += 1;
    this.#underWayGauge.set(this.#underWay);
    subject.check(() => {
      // One that takes longer than the interval is followed by the next at once.
      if (!subject.stopped) this.#agenda.add(nextMs, subject);
      this.#onPlaceFree();
    });
  }

  #onPlaceFree(): void {
    this.#underWay -= 1;
    this.#underWayGauge.set(this.#underWay);
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#showWaiting();
    this.#begin(next);
  }

  #showWaiting(): void {
    this.#waitingGauge.set(this.#waiting.size);
  }
}
