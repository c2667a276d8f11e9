// The destinations of all routers on the control thread: each followed from the start, so that the first client does
// not wait for its resolution.
import { withoutSecrets } from "../config/health-check.ts";
import type { Config, DestinationConfig, DrainConfig } from "../config/types.ts";
import { Destination, type EndpointAddress } from "../control/destination.ts";
import { EndpointRows } from "../control/endpoint-rows.ts";
import { shareOf } from "../control/share.ts";
import type { NamerStatus } from "../discovery/create-namers.ts";
import type { ToWorker } from "../wire/messages.ts";
import type { DestinationUse, WantDestination } from "../wire/name-messages.ts";
import { CheckedDestinations, checksAtATime, type PreparedHealth } from "./checked-destinations.ts";
import { openFilesLimit } from "./descriptor-limit.ts";
import type { Drains } from "./drains.ts";
import type * as OnDemand from "./names-on-demand.ts";
import { NameSources, type NameSourcesParts, type PreparedSources } from "./name-sources.ts";
import {
  destinationKey,
  destinationsOf,
  type Difference,
  type PlannedDestination,
} from "./reload/plan.ts";
import type { TellEach } from "./servers.ts";

/** Names that connections bring up take no larger part of the file descriptors than this. */
const WATCHES_SHARE = 4;

/** What destinations are made of. */
export interface DestinationsParts extends NameSourcesParts {
  readonly config: Config;
  readonly broadcast: (message: ToWorker) => void;
  readonly tell: (worker: number, message: ToWorker) => void;
  readonly tellEach: TellEach;
  /** For the sessions of endpoints that leave their name, or turn out to be unhealthy. */
  readonly drains: Pick<Drains, "removed" | "returned" | "demoted">;
  /** More or fewer descriptors are needed besides those of sessions, though no plan is carried out. */
  readonly onDescriptors: () => void;
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
  /** Of the names that connections bring up; loaded by the first configuration where they do. */
  #onDemandCode: typeof OnDemand | undefined;
  #onDemand: OnDemand.NamesOnDemand | undefined;
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
    this.#configureOnDemand(this.#parts.config);
    if (this.#onDemand !== undefined) this.#parts.onDescriptors();
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

  /** Descriptors that following names may take which connections bring up. */
  get watchesOnDemand(): number {
    return this.#onDemand?.watches ?? 0;
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
    this.#onDemand?.replayed(index);
    return messages;
  }

  /** What a worker says of names that connections bring up. */
  applyNames(worker: number, message: WantDestination | DestinationUse): void {
    this.#onDemand?.take(worker, message);
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
    this.#onDemand?.workerDied(worker);
    this.#forgetLeft();
  }

  /** Makes what another configuration needs, and changes nothing. */
  async prepare(config: Config): Promise<PreparedDestinations> {
    const sources = await this.#sources.prepare(config);
    const discard = (): void => sources.discard();
    try {
      const planned = Array.from(destinationsOf(config).values(), (one) => one.config);
      await this.#loadOnDemand(config);
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
    this.#configureOnDemand(sources.config);
    for (const difference of changes) {
      if (difference.change === "removed") continue;
      const { router, path } = difference.after;
      const isNew = difference.change === "added";
      // A connection may have brought it up before.
      const known = isNew ? this.#onDemand?.takeOver(router, path) : undefined;
      if (isNew && known === undefined) {
        this.#follow(this.#begin(difference.after, health, tellEach));
        continue;
      }
      const followed = this.#configure(difference.after, health, tellEach);
      if (followed !== undefined && known !== undefined) followed.stop = known.stop;
    }
  }

  /** Applies what `changes` removes. */
  removeGone(changes: DestinationChanges, config: Config): void {
    for (const difference of changes) {
      if (difference.change !== "removed") continue;
      this.#remove(difference.before);
    }
    this.#onDemand?.forgetOthers(config);
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
    this.#onDemand?.stop();
    this.#health.stop();
  }

  /** Makes a destination that all workers know. It is not followed yet. */
  #begin(planned: PlannedDestination, health: PreparedHealth, tellEach: TellEach): Followed {
    const followed = this.#add(planned);
    const { destination, config } = followed;
    tellEach((worker) => this.#adding(destination, config, worker));
    this.#health.set(destination, config, health);
    this.#parts.onAdded(destination);
    return followed;
  }

  #remove({ router, path }: Pick<PlannedDestination, "router" | "path">): void {
    const key = destinationKey(router, path);
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    followed.stop();
    this.#followed.delete(key);
    const { destination } = followed;
    this.#health.remove(destination);
    const removed = destination.remove();
    this.#leaving.set(key, destination);
    this.#parts.broadcast({ type: "remove-destination", destination: destination.id, removed });
  }

  /** Loads what names need that connections bring up: they do not wait for code. */
  async #loadOnDemand({ routers }: Config): Promise<void> {
    const naming = routers.filter(({ bindingCache }) => bindingCache !== undefined);
    if (naming.length === 0) return;
    this.#onDemandCode ??= await import("./names-on-demand.ts");
    const rules = naming.flatMap(({ client }) => client);
    if (rules.some(({ healthCheck }) => healthCheck !== undefined)) await this.#health.load();
  }

  #configureOnDemand(config: Config): void {
    const { NamesOnDemand } = this.#onDemandCode ?? {};
    if (NamesOnDemand === undefined) return;
    const { registry, clock, logger, tell, tellEach } = this.#parts;
    this.#onDemand ??= new NamesOnDemand({
      workers: this.#workers,
      maxWatches: Math.floor(openFilesLimit() / WATCHES_SHARE),
      registry,
      clock,
      log: logger("discovery"),
      tell,
      follow: (router, path, observer) => this.#sources.follow(router, path, observer, "debug"),
      targets: {
        has: (router, path) => this.idOf(router, path) !== undefined,
        prepareHealth: (one) => this.#health.prepare([one]),
        add: (planned, health) => {
          const { destination, config: settings } = this.#begin(planned, health, tellEach);
          if (settings.minConnections > 0) this.#parts.onDescriptors();
          return destination;
        },
        apply: (destination, state) => this.#health.apply(destination, state),
        configure: (planned, health) => void this.#configure(planned, health, tellEach),
        remove: (planned) => {
          this.#remove(planned);
          this.#forgetLeft();
          if (planned.config.minConnections > 0) this.#parts.onDescriptors();
        },
      },
    });
    this.#onDemand.configure(config);
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
    health: PreparedHealth,
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
    this.#health.set(followed.destination, config, health);
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
