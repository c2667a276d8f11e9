// The destinations of all routers on the control thread: each followed from the start, so that the first client does
// not wait for its resolution.
import { withoutSecrets } from "../config/health-check.ts";
import type { Config, DestinationConfig, DrainConfig } from "../config/types.ts";
import { Destination, type EndpointAddress } from "../control/destination.ts";
import { EndpointRows } from "../control/endpoint-rows.ts";
import { shareOf } from "../control/share.ts";
import type { NamerStatus } from "../discovery/create-namers.ts";
import type { ToWorker } from "../wire/messages.ts";
import { CheckedDestinations, checksAtATime, type PreparedHealth } from "./checked-destinations.ts";
import type { Drains } from "./drains.ts";
import { NameSources, type NameSourcesParts, type PreparedSources } from "./name-sources.ts";
import {
  destinationKey,
  destinationsOf,
  type Difference,
  type PlannedDestination,
} from "./reload/plan.ts";
import type { TellEach } from "./servers.ts";

/** What destinations are made of. */
export interface DestinationsParts extends NameSourcesParts {
  readonly config: Config;
  readonly broadcast: (message: ToWorker) => void;
  /** For the sessions of endpoints that leave their name, or turn out to be unhealthy. */
  readonly drains: Pick<Drains, "removed" | "returned" | "demoted">;
  /** A destination is new, or has come back. */
  readonly onAdded: (destination: Destination) => void;
}

/** What another configuration needs, made before it is in effect. */
export interface PreparedDestinations {
  readonly sources: PreparedSources;
  readonly health: PreparedHealth;
  /** Gives up. */
  discard(): void;
}

export type DestinationChanges = readonly Difference<PlannedDestination>[];

interface Followed {
  readonly destination: Destination;
  config: DestinationConfig;
  stop: () => void;
}

export class Destinations {
  readonly #parts: DestinationsParts;
  readonly #rows: EndpointRows;
  readonly #sources: NameSources;
  readonly #health: CheckedDestinations;
  readonly #followed = new Map<string, Followed>();
  /** Removed ones that still have connections. */
  readonly #leaving = new Map<string, Destination>();
  readonly #workers: number;
  #nextId = 0;
  #nextEndpointId = 0;

  constructor(parts: DestinationsParts) {
    this.#parts = parts;
    this.#workers = parts.config.workers;
    this.#rows = new EndpointRows(this.#workers, parts.broadcast);
    this.#sources = new NameSources(parts);
    this.#health = new CheckedDestinations(parts);
    for (const planned of destinationsOf(parts.config).values()) this.#add(planned);
  }

  /** All there are, removed ones with connections included. */
  get all(): readonly Destination[] {
    const followed = Array.from(this.#followed.values(), ({ destination }) => destination);
    return [...followed, ...this.#leaving.values()];
  }

  /** Begins to follow all names; resolves once resolvers are made, not once names are resolved. */
  async follow(): Promise<void> {
    const { sources, health } = await this.prepare(this.#parts.config);
    this.#sources.commit(sources);
    for (const followed of this.#followed.values()) {
      this.#health.set(followed.destination, followed.config, health);
      this.#follow(followed);
    }
  }

  /** The namers of this process, those that no name has asked for included. */
  get namers(): readonly NamerStatus[] {
    return this.#sources.namers;
  }

  /** Warm connections that are kept, in the whole process. */
  get warmConnections(): number {
    let sum = 0;
    for (const { config } of this.#followed.values()) sum += config.minConnections;
    return sum;
  }

  /** How connections of these destinations are ended one by one, or those of all. */
  drains(ids: readonly number[] | undefined): readonly DrainConfig[] {
    return Array.from(this.#followed.values())
      .filter(({ destination }) => ids === undefined || ids.includes(destination.id))
      .map(({ config }) => config.drain);
  }

  /** Health checks that may be under way at a time. */
  get checksAtATime(): number {
    const configs = Array.from(this.#followed.values(), ({ config }) => config);
    return configs.some(({ healthCheck }) => healthCheck !== undefined) ? checksAtATime() : 0;
  }

  /** Why an endpoint is unhealthy, or failed its last check; undefined when all is well. */
  reason(destination: Destination, address: EndpointAddress): string | undefined {
    return this.#health.reason(destination, address);
  }

  /** The id of a router's destination. */
  idOf(router: string, path: string): number | undefined {
    return this.#followed.get(destinationKey(router, path))?.destination.id;
  }

  /** Everything that worker `index` must know of destinations. */
  replay(index: number): ToWorker[] {
    const messages: ToWorker[] = [...this.#rows.pages];
    for (const { destination, config } of this.#followed.values()) {
      messages.push(this.#adding(destination, config, index));
      destination.replay((update) => messages.push(update));
    }
    return messages;
  }

  released(worker: number, id: number, epoch: number): void {
    for (const destination of this.all) {
      if (destination.released(worker, id, epoch)) this.#health.settleSoon(destination);
    }
    this.#forgetLeft();
  }

  workerDied(worker: number): void {
    for (const destination of this.all) {
      destination.workerDied(worker);
      this.#health.settleSoon(destination);
    }
    this.#forgetLeft();
  }

  /** Makes what another configuration needs, and changes nothing. */
  async prepare(config: Config): Promise<PreparedDestinations> {
    const sources = await this.#sources.prepare(config);
    const discard = (): void => sources.discard();
    try {
      const planned = Array.from(destinationsOf(config).values(), (one) => one.config);
      return { sources, health: await this.#health.prepare(planned), discard };
    } catch (error) {
      discard();
      throw error;
    }
  }

  /** Applies what `changes` adds and changes; `removeGone` is to follow, once no server leads to what goes. */
  commit(
    changes: DestinationChanges,
    { sources, health }: PreparedDestinations,
    tellEach: TellEach,
  ): void {
    this.#sources.commit(sources);
    for (const difference of changes) {
      if (difference.change === "added") {
        const followed = this.#add(difference.after);
        const { destination, config } = followed;
        tellEach((worker) => this.#adding(destination, config, worker));
        this.#health.set(destination, config, health);
        this.#parts.onAdded(destination);
        this.#follow(followed);
      }
      if (difference.change === "changed") {
        const followed = this.#configure(difference.after, tellEach);
        if (followed !== undefined) this.#health.set(followed.destination, followed.config, health);
      }
    }
  }

  /** Applies what `changes` removes. */
  removeGone(changes: DestinationChanges, config: Config): void {
    for (const difference of changes) {
      if (difference.change !== "removed") continue;
      const { router, path } = difference.before;
      const key = destinationKey(router, path);
      const followed = this.#followed.get(key);
      if (followed === undefined) continue;
      followed.stop();
      this.#followed.delete(key);
      const { destination } = followed;
      this.#health.remove(destination);
      const removed = destination.remove();
      this.#leaving.set(key, destination);
      this.#parts.broadcast({ type: "remove-destination", destination: destination.id, removed });
    }
    this.#forgetLeft();
    this.#sources.forgetOthers(config);
  }

  /** Makes the ages of resolutions current, for whoever reads the metrics. */
  refreshAges(): void {
    this.#sources.refreshAges();
  }

  /** Follows names no more. */
  stop(): void {
    for (const { stop } of this.#followed.values()) stop();
    this.#health.stop();
  }

  /** A new destination, or one that is leaving and has come back. */
  #add({ router, path, config }: PlannedDestination): Followed {
    const key = destinationKey(router, path);
    const known = this.#leaving.get(key);
    this.#leaving.delete(key);
    const followed = {
      destination: known ?? this.#newDestination(router, path),
      config,
      stop: () => {},
    };
    this.#followed.set(key, followed);
    return followed;
  }

  #newDestination(router: string, path: string): Destination {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Destination({
      id,
      router,
      path,
      rows: this.#rows,
      workers: this.#workers,
      broadcast: this.#parts.broadcast,
      nextEndpointId: () => {
        this.#nextEndpointId += 1;
        return this.#nextEndpointId;
      },
      onRemoved: (ids) => this.#onRemoved(destinationKey(router, path), ids),
      onReturned: (ids) => this.#parts.drains.returned(ids),
    });
  }

  #follow(followed: Followed): void {
    const { destination } = followed;
    followed.stop = this.#sources.follow(destination.router, destination.path, (state) =>
      this.#health.apply(destination, state),
    );
  }

  #onRemoved(key: string, ids: readonly number[]): void {
    const followed = this.#followed.get(key);
    if (followed !== undefined)
      this.#parts.drains.removed(followed.destination, ids, followed.config.drain);
  }

  #configure(
    { router, path, config }: PlannedDestination,
    tellEach: TellEach,
  ): Followed | undefined {
    const followed = this.#followed.get(destinationKey(router, path));
    if (followed === undefined) return undefined;
    followed.config = config;
    const { id } = followed.destination;
    tellEach((worker) => ({
      type: "configure-destination",
      destination: id,
      config: this.#shareOf(config, worker),
    }));
    return followed;
  }

  #adding({ id, router, path }: Destination, config: DestinationConfig, worker: number): ToWorker {
    const share = this.#shareOf(config, worker);
    return { type: "add-destination", destination: id, router, path, config: share };
  }

  #shareOf(config: DestinationConfig, worker: number): DestinationConfig {
    const workers = this.#workers;
    return {
      ...config,
      // A worker with a share of nothing could never let a session wait.
      maxWaiters: Math.max(1, shareOf(config.maxWaiters, worker, workers)),
      minConnections: shareOf(config.minConnections, worker, workers),
      retryBudget: {
        ...config.retryBudget,
        // In fractions: a worker without any share could not let a session try another endpoint.
        minRetriesPerSec: config.retryBudget.minRetriesPerSec / workers,
      },
      // Checks are made here.
      healthCheck: config.healthCheck && withoutSecrets(config.healthCheck),
    };
  }

  #forgetLeft(): void {
    for (const [key, destination] of this.#leaving) {
      if (destination.endpoints.length === 0) this.#leaving.delete(key);
    }
  }
}
