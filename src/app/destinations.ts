// The destinations of all routers on the control thread: each followed from the start, so that the first client does
// not wait for its resolution.
import { clientFor } from "../config/client-for.ts";
import { withoutSecrets } from "../config/health-check.ts";
import type { Config, DestinationConfig, DrainConfig, RouterConfig } from "../config/types.ts";
import { Bindings } from "../control/bindings.ts";
import { Destination, type EndpointAddress } from "../control/destination.ts";
import { EndpointRows } from "../control/endpoint-rows.ts";
import { shareOf } from "../control/share.ts";
import { createInterpreter } from "../discovery/create.ts";
import type { NamerSet, NamerStatus } from "../discovery/create-namers.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { LoggerFactory } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { AddDestination, ToWorker } from "../wire/messages.ts";
import { CheckedDestinations, checksAtATime, type Configured } from "./checked-destinations.ts";
import type { Drains } from "./drains.ts";

/** What destinations are made of. */
export interface DestinationsParts {
  readonly config: Config;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  readonly broadcast: (message: ToWorker) => void;
  /** For the sessions of endpoints that leave their name, or turn out to be unhealthy. */
  readonly drains: Pick<Drains, "removed" | "returned" | "demoted">;
}

export class Destinations {
  readonly #parts: DestinationsParts;
  readonly #rows: EndpointRows;
  readonly #followed = new Map<string, Configured>();
  readonly #health = new CheckedDestinations();
  readonly #bindings: Bindings[] = [];
  readonly #stops: (() => void)[] = [];
  #namers: NamerSet | undefined;
  #nextEndpointId = 0;

  constructor(parts: DestinationsParts) {
    this.#parts = parts;
    this.#rows = new EndpointRows(parts.config.workers, parts.broadcast);
    for (const router of parts.config.routers) this.#addRouter(router);
  }

  get all(): readonly Destination[] {
    return Array.from(this.#followed.values(), ({ destination }) => destination);
  }

  /** Begins to follow all names; resolves once resolvers are made, not once names are resolved. */
  async follow(): Promise<void> {
    const { config, registry, clock, rng, logger } = this.#parts;
    if (config.routers.some(({ interpreter }) => interpreter.kind === "default")) {
      const { createNamers } = await import("../discovery/create-namers.ts");
      const log = logger("discovery");
      this.#namers = await createNamers(config.namers, { registry, clock, rng, log });
    }
    await this.#health.prepare(this.#followed.values(), this.#parts);
    for (const router of config.routers) await this.#followRouter(router);
  }

  /** The namers of this process, those that no name has asked for included. */
  get namers(): readonly NamerStatus[] {
    return this.#namers?.statuses() ?? [];
  }

  /** Warm connections that are kept, in the whole process. */
  get warmConnections(): number {
    let sum = 0;
    for (const { client } of this.#followed.values()) sum += client.minConnections;
    return sum;
  }

  /** How connections of these destinations are ended one by one, or those of all. */
  drains(ids: readonly number[] | undefined): readonly DrainConfig[] {
    return Array.from(this.#followed.values())
      .filter(({ destination }) => ids === undefined || ids.includes(destination.id))
      .map(({ client }) => client.drain);
  }

  /** Health checks that may be under way at a time. */
  get checksAtATime(): number {
    const clients = Array.from(this.#followed.values(), ({ client }) => client);
    return clients.some(({ healthCheck }) => healthCheck !== undefined) ? checksAtATime() : 0;
  }

  /** Why an endpoint is unhealthy, or failed its last check; undefined when all is well. */
  reason(destination: Destination, address: EndpointAddress): string | undefined {
    return this.#health.reason(destination, address);
  }

  /** The id of a router's destination. */
  idOf(router: string, path: string): number | undefined {
    return this.#followed.get(keyOf(router, path))?.destination.id;
  }

  /** Everything that worker `index` must know of destinations. */
  replay(index: number): ToWorker[] {
    const { workers } = this.#parts.config;
    const messages: ToWorker[] = [...this.#rows.pages];
    for (const { destination, client } of this.#followed.values()) {
      messages.push(addDestination(destination, client, index, workers));
      destination.replay((update) => messages.push(update));
    }
    return messages;
  }

  released(worker: number, id: number, epoch: number): void {
    for (const { destination } of this.#followed.values()) {
      if (destination.released(worker, id, epoch)) this.#health.settleSoon(destination);
    }
  }

  workerDied(worker: number): void {
    for (const { destination } of this.#followed.values()) {
      destination.workerDied(worker);
      this.#health.settleSoon(destination);
    }
  }

  /** Makes the ages of resolutions current, for whoever reads the metrics. */
  refreshAges(): void {
    for (const bindings of this.#bindings) bindings.refreshAges();
    this.#namers?.refreshMetrics();
  }

  /** Follows names no more. */
  stop(): void {
    for (const stop of this.#stops) stop();
    this.#health.stop();
  }

  async #followRouter(router: RouterConfig): Promise<void> {
    const { registry, clock, rng, logger } = this.#parts;
    const { label } = router;
    const log = logger("discovery");
    const interpreter = await createInterpreter(router.interpreter, {
      router: label,
      registry,
      clock,
      rng,
      log,
      ...(this.#namers !== undefined && { names: this.#namers.service }),
    });
    const bindings = new Bindings({ interpreter, router: label, registry, log, clock });
    this.#bindings.push(bindings);
    for (const { destination } of this.#followed.values()) {
      if (destination.router !== label) continue;
      this.#stops.push(
        bindings.follow(destination.path, (state) => this.#health.apply(destination, state)),
      );
    }
  }

  #onRemoved(key: string, ids: readonly number[]): void {
    const followed = this.#followed.get(key);
    if (followed !== undefined)
      this.#parts.drains.removed(followed.destination, ids, followed.client.drain);
  }

  #addRouter(router: RouterConfig): void {
    for (const path of new Set(router.servers.map(({ dstName }) => dstName))) {
      const destination = new Destination({
        id: this.#followed.size,
        router: router.label,
        path,
        rows: this.#rows,
        workers: this.#parts.config.workers,
        broadcast: this.#parts.broadcast,
        nextEndpointId: () => {
          this.#nextEndpointId += 1;
          return this.#nextEndpointId;
        },
        onRemoved: (ids) => this.#onRemoved(keyOf(router.label, path), ids),
        onReturned: (ids) => this.#parts.drains.returned(ids),
      });
      this.#followed.set(keyOf(router.label, path), {
        destination,
        client: clientFor(router.client, path),
      });
    }
  }
}

function addDestination(
  { id, router, path }: Destination,
  client: DestinationConfig,
  index: number,
  workers: number,
): AddDestination {
  const config = {
    ...client,
    // A worker with a share of nothing could never let a session wait.
    maxWaiters: Math.max(1, shareOf(client.maxWaiters, index, workers)),
    minConnections: shareOf(client.minConnections, index, workers),
    retryBudget: {
      ...client.retryBudget,
      // In fractions: a worker without any share could not let a session try another endpoint.
      minRetriesPerSec: client.retryBudget.minRetriesPerSec / workers,
    },
    // Checks are made here.
    healthCheck: client.healthCheck && withoutSecrets(client.healthCheck),
  };
  return { type: "add-destination", destination: id, router, path, config };
}

function keyOf(router: string, path: string): string {
  return `${router}\n${path}`;
}
