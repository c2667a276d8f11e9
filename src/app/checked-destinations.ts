// Joins destinations with their health checks; without such checks nothing of them is loaded.
import type { HealthCheckConfig } from "../config/health-types.ts";
import type { DestinationConfig, DrainConfig } from "../config/types.ts";
import type { BoundState } from "../control/bindings.ts";
import type { Destination, EndpointAddress } from "../control/destination.ts";
import type { DestinationHealth, DestinationHealthParts } from "../health/destination-health.ts";
import type { HealthChecks, PreparedPlan } from "../health/health-checks.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { sameData } from "../lib/same-data.ts";
import type { LoggerFactory } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { openFilesLimit } from "./descriptor-limit.ts";
import type { Drains } from "./drains.ts";

const MOST_CHECKS_AT_A_TIME = 256;
const LEAST_CHECKS_AT_A_TIME = 8;
/** Endpoints are forgotten one by one, thousands of them maybe: they are looked through once for all. */
const SETTLE_MS = 100;

/** Checks that may be under way at a time: a small part of the file descriptors. */
export function checksAtATime(): number {
  const share = Math.floor(openFilesLimit() / 16);
  return Math.max(LEAST_CHECKS_AT_A_TIME, Math.min(MOST_CHECKS_AT_A_TIME, share));
}

export interface CheckParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  /** For the sessions of endpoints that turn out to be unhealthy. */
  readonly drains: Pick<Drains, "demoted">;
}

/** What checks with these settings need, by the settings. */
export type PreparedHealth = ReadonlyMap<string, PreparedPlan>;

interface Checked {
  readonly health: DestinationHealth;
  readonly settings: HealthCheckConfig;
  readonly key: string;
  /** What becomes of the sessions of an endpoint that is to be drained. */
  drain: DrainConfig;
}

/** What is loaded once something is checked. */
interface Loaded {
  readonly checks: HealthChecks;
  readonly create: (parts: DestinationHealthParts) => DestinationHealth;
}

/** Health checks of destinations, and of those that have none. */
export class CheckedDestinations {
  readonly #parts: CheckParts;
  readonly #checked = new Map<Destination, Checked>();
  readonly #unsettled = new Set<DestinationHealth>();
  #loaded: Loaded | undefined;

  constructor(parts: CheckParts) {
    this.#parts = parts;
  }

  /** Makes ready what these settings ask for, and changes nothing. */
  async prepare(configs: readonly DestinationConfig[]): Promise<PreparedHealth> {
    const plans = new Map<string, PreparedPlan>();
    for (const config of configs) {
      const { healthCheck } = config;
      if (healthCheck === undefined) continue;
      const { checks } = await this.load();
      const plan = await checks.prepare(healthCheck, config);
      plans.set(plan.key, plan);
    }
    return plans;
  }

  /** Loads the code of checks. */
  async load(): Promise<Loaded> {
    this.#loaded ??= await this.#load();
    return this.#loaded;
  }

  /** Checks the endpoints of a destination as `config` says from now on; a check that stays the same goes on. */
  set(destination: Destination, config: DestinationConfig, prepared: PreparedHealth): void {
    const { healthCheck: settings, drain } = config;
    // The same check is another one where connections speak TLS with another name.
    const plan = settings && prepared.get(this.#loaded?.checks.keyOf(settings, config) ?? "");
    const known = this.#checked.get(destination);
    if (known !== undefined && known.key === plan?.key && sameData(known.settings, settings)) {
      known.drain = drain;
      return;
    }
    const doubtful = known?.health.stop() ?? [];
    this.#checked.delete(destination);
    const health = settings && plan && this.#begin(destination, { settings, plan, drain });
    // What was found unhealthy is so no more, unless the new checks begin with that.
    for (const address of doubtful) {
      if (health?.isHealthy(address) !== false) destination.setHealth(address, true);
    }
  }

  /** A destination is there no more. */
  remove(destination: Destination): void {
    this.#checked.get(destination)?.health.stop();
    this.#checked.delete(destination);
  }

  /** Applies a new answer for a destination's name: what must pass a check first is unhealthy from the start. */
  apply(destination: Destination, state: BoundState): void {
    const health = this.#checked.get(destination)?.health;
    health?.expect(state.branches.flatMap(({ endpoints }) => endpoints));
    destination.apply(state);
    health?.settle();
  }

  /** Endpoints of a destination may have been forgotten: their checks end soon. */
  settleSoon(destination: Destination): void {
    const health = this.#checked.get(destination)?.health;
    if (health === undefined) return;
    if (this.#unsettled.size === 0) this.#parts.clock.after(SETTLE_MS, () => this.#settle());
    this.#unsettled.add(health);
  }

  /** Why an endpoint is unhealthy, or failed its last check; undefined when all is well. */
  reason(destination: Destination, address: EndpointAddress): string | undefined {
    return this.#checked.get(destination)?.health.reason(address);
  }

  stop(): void {
    this.#loaded?.checks.stop();
  }

  #begin(
    destination: Destination,
    {
      settings,
      plan,
      drain,
    }: Pick<Checked, "settings" | "drain"> & { readonly plan: PreparedPlan },
  ): DestinationHealth | undefined {
    if (this.#loaded === undefined) return undefined;
    const { registry, logger, drains } = this.#parts;
    const { checks, create } = this.#loaded;
    const health = create({
      destination,
      settings,
      prepared: plan,
      checks,
      registry,
      log: logger("health"),
      onDemoted: (endpoints, how) =>
        drains.demoted(destination, endpoints, how, this.#checked.get(destination)?.drain ?? drain),
    });
    this.#checked.set(destination, { health, settings, key: plan.key, drain });
    health.expect(destination.endpoints.map(({ spec }) => spec));
    return health;
  }

  async #load(): Promise<Loaded> {
    const { registry, clock, rng, logger } = this.#parts;
    const [{ HealthChecks: Checks }, { DestinationHealth: Health }] = await Promise.all([
      import("../health/health-checks.ts"),
      import("../health/destination-health.ts"),
    ]);
    const log = logger("health");
    const checks = new Checks({ clock, rng, log, registry, maxUnderWay: checksAtATime() });
    return { checks, create: (parts) => new Health(parts) };
  }

  #settle(): void {
    for (const health of this.#unsettled) health.settle();
    this.#unsettled.clear();
  }
}
