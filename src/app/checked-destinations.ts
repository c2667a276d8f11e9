// Joins destinations with their health checks; without such checks nothing of them is loaded.
import type { DestinationConfig } from "../config/types.ts";
import type { BoundState } from "../control/bindings.ts";
import type { Destination, EndpointAddress } from "../control/destination.ts";
import type { DestinationHealth } from "../health/destination-health.ts";
import type { HealthChecks } from "../health/health-checks.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
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

/** A destination with its settings. */
export interface Configured {
  readonly destination: Destination;
  readonly client: DestinationConfig;
}

export interface CheckParts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  /** For the sessions of endpoints that turn out to be unhealthy. */
  readonly drains: Pick<Drains, "demoted">;
}

/** Health checks of destinations, and of those that have none. */
export class CheckedDestinations {
  readonly #byDestination = new Map<Destination, DestinationHealth>();
  readonly #unsettled = new Set<DestinationHealth>();
  #checks: HealthChecks | undefined;
  #clock: Clock | undefined;

  /** Makes ready the checks of those that have some. To be called once, before `apply`. */
  async prepare(all: Iterable<Configured>, parts: CheckParts): Promise<void> {
    const checked = Array.from(all).filter(({ client }) => client.healthCheck !== undefined);
    if (checked.length === 0) return;
    const { registry, clock, rng, logger } = parts;
    const [checks, destinations] = await Promise.all([
      import("../health/health-checks.ts"),
      import("../health/destination-health.ts"),
    ]);
    const log = logger("health");
    this.#clock = clock;
    const maxUnderWay = checksAtATime();
    this.#checks = new checks.HealthChecks({ clock, rng, log, registry, maxUnderWay });
    for (const { destination, client } of checked) {
      const { healthCheck: settings } = client;
      if (settings === undefined) continue;
      const health = new destinations.DestinationHealth({
        destination,
        settings,
        prepared: await this.#checks.prepare(settings, client),
        checks: this.#checks,
        registry,
        log,
        onDemoted: (endpoints, how) =>
          parts.drains.demoted(destination, endpoints, how, client.drain),
      });
      this.#byDestination.set(destination, health);
    }
  }

  /** Applies a new answer for a destination's name: what must pass a check first is unhealthy from the start. */
  apply(destination: Destination, state: BoundState): void {
    const health = this.#byDestination.get(destination);
    health?.expect(state.branches.flatMap(({ endpoints }) => endpoints));
    destination.apply(state);
    health?.settle();
  }

  /** Endpoints of a destination may have been forgotten: their checks end soon. */
  settleSoon(destination: Destination): void {
    const health = this.#byDestination.get(destination);
    if (health === undefined) return;
    if (this.#unsettled.size === 0) this.#clock?.after(SETTLE_MS, () => this.#settle());
    this.#unsettled.add(health);
  }

  /** Why an endpoint is unhealthy, or failed its last check; undefined when all is well. */
  reason(destination: Destination, address: EndpointAddress): string | undefined {
    return this.#byDestination.get(destination)?.reason(address);
  }

  stop(): void {
    this.#checks?.stop();
  }

  #settle(): void {
    for (const health of this.#unsettled) health.settle();
    this.#unsettled.clear();
  }
}
