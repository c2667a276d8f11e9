// The names that connections bring up, on the control thread: followed from the first question on, made a destination of
// all workers once something stands behind them, and let go when they are not used.
import { clientFor } from "../config/client-for.ts";
import type {
  BindingCacheConfig,
  ClientConfig,
  Config,
  DestinationConfig,
} from "../config/types.ts";
import type { BoundObserver, BoundState } from "../control/bindings.ts";
import type { Destination } from "../control/destination.ts";
import { NameCache, type LetGoReason } from "../control/name-cache.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import { sameData } from "../lib/same-data.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { ToWorker } from "../wire/messages.ts";
import type { DestinationUse, WantDestination } from "../wire/name-messages.ts";
import type { PreparedHealth } from "./checked-destinations.ts";
import { NameRefusals } from "./name-refusals.ts";
import { RouterNameMetrics } from "./router-name-metrics.ts";
import type { PlannedDestination } from "./reload/plan.ts";

const LET_GO_PERIOD_MS = 1_000;
/** What following a name takes where its source is asked by HTTP: one for what it is bound to, one for its endpoints. */
const WATCHES_PER_NAME = 2;

/** What becomes of names that have something behind them: as for the destinations of the configuration. */
export interface NameTargets {
  /** Whether the configuration has this path, so that workers know it, or are about to. */
  has(router: string, path: string): boolean;
  /** Makes checks ready that such a destination needs. */
  prepareHealth(config: DestinationConfig): Promise<PreparedHealth>;
  /** Makes a destination that all workers know. */
  add(planned: PlannedDestination, health: PreparedHealth): Destination;
  apply(destination: Destination, state: BoundState): void;
  configure(planned: PlannedDestination, health: PreparedHealth): void;
  /** No session is to find it any more. */
  remove(planned: PlannedDestination): void;
}

export interface NamesOnDemandParts {
  readonly workers: number;
  /** Descriptors that may be taken for all names together. */
  readonly maxWatches: number;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly log: Logger;
  readonly targets: NameTargets;
  readonly follow: (router: string, path: string, observer: BoundObserver) => () => void;
  readonly tell: (worker: number, message: ToWorker) => void;
}

/** A router whose connections bring up names. */
interface NamingRouter {
  client: ClientConfig;
  readonly cache: NameCache<Name>;
  readonly byPath: Map<string, Name>;
  readonly metrics: RouterNameMetrics;
  readonly refusals: NameRefusals;
}

export class NamesOnDemand {
  readonly #parts: NamesOnDemandParts;
  readonly #routers = new Map<string, NamingRouter>();
  readonly #byId = new Map<number, Name>();
  readonly #cancel: Cancel;
  #watches = 0;

  constructor(parts: NamesOnDemandParts) {
    this.#parts = parts;
    this.#cancel = parts.clock.every(LET_GO_PERIOD_MS, () => this.#letGoUnused());
  }

  /** Another configuration is in effect. Names of routers that have none any more stay until `forgetOthers`. */
  configure({ routers }: Config): void {
    const naming = routers.filter(({ bindingCache }) => bindingCache !== undefined);
    this.#watches = 0;
    for (const { label, client, bindingCache } of naming) {
      if (bindingCache === undefined) continue;
      const limits = this.#within(bindingCache, label, naming.length);
      this.#watches += limits.paths * WATCHES_PER_NAME;
      const known = this.#routers.get(label);
      if (known === undefined) {
        this.#routers.set(label, this.#newRouter(label, client, limits));
        continue;
      }
      known.client = client;
      known.cache.setLimits(limits);
      for (const name of known.byPath.values()) void this.#reconfigure(name, client);
    }
  }

  /** Descriptors that names may take. */
  get watches(): number {
    return this.#watches;
  }

  /** Forgets the routers whose connections bring up no names any more. */
  forgetOthers({ routers }: Config): void {
    const naming = routers.filter(({ bindingCache }) => bindingCache !== undefined);
    const labels = new Set(naming.map(({ label }) => label));
    for (const [label, router] of this.#routers) {
      if (labels.has(label)) continue;
      for (const name of router.byPath.values()) this.#end(name, router);
      router.refusals.stop();
      router.metrics.release();
      this.#routers.delete(label);
    }
  }

  /** A message of a worker. */
  take(worker: number, message: WantDestination | DestinationUse): void {
    switch (message.type) {
      case "want-destination":
        return message.wanted ? this.#want(worker, message) : this.#unwant(worker, message);
      case "destination-use":
        for (const [destination, inUse] of message.changes)
          this.#use(worker, this.#byId.get(destination), inUse);
        return;
      default:
        return message satisfies never;
    }
  }

  /** A worker is being told of all destinations: it will say which it uses. */
  replayed(worker: number): void {
    for (const name of this.#byId.values()) this.#use(worker, name, true);
  }

  /** A worker has died, and its sessions with it. */
  workerDied(worker: number): void {
    for (const router of this.#routers.values()) {
      for (const name of router.byPath.values()) {
        const waited = name.waiting.delete(worker);
        if (name.using.delete(worker) || waited) router.cache.touch(name);
      }
    }
  }

  /** The configuration has this path from now on. Answers the destination that it had already. */
  takeOver(label: string, path: string): { readonly stop: () => void } | undefined {
    const router = this.#routers.get(label);
    const name = router?.byPath.get(path);
    if (router === undefined || name === undefined) return undefined;
    this.#forget(name, router);
    if (name.destination !== undefined) return name;
    // Workers that wait for an answer get it from the destination that is about to be added.
    name.stop();
    return undefined;
  }

  stop(): void {
    this.#cancel();
    for (const { byPath, refusals } of this.#routers.values()) {
      refusals.stop();
      for (const { stop } of byPath.values()) stop();
    }
  }

  /** As many names as there are descriptors to follow them, of a router among `routers`. */
  #within(limits: BindingCacheConfig, router: string, routers: number): BindingCacheConfig {
    const { maxWatches, log } = this.#parts;
    const most = Math.max(1, Math.floor(maxWatches / WATCHES_PER_NAME / routers));
    const { paths } = limits;
    if (paths <= most) return limits;
    log.warn("few file descriptors: fewer names are followed than bindingCache.paths says", () => ({
      router,
      paths,
      followed: most,
    }));
    return { ...limits, paths: most };
  }

  #want(worker: number, { router: label, path }: WantDestination): void {
    const { tell, targets } = this.#parts;
    if (targets.has(label, path)) return;
    const router = this.#routers.get(label);
    const known = router?.byPath.get(path);
    const answer: ToWorker = { type: "refuse-destination", router: label, path };
    if (router === undefined) return tell(worker, answer);
    if (known === undefined) {
      const refused = router.cache.refuses();
      if (refused !== undefined) {
        router.metrics.refused[refused].add(1);
        router.refusals.note(path, refused);
        return tell(worker, answer);
      }
      router.metrics.created.add(1);
      return this.#begin(worker, new Name(label, path, clientFor(router.client, path)), router);
    }
    if (known.leadsNowhere) tell(worker, answer);
    else known.waiting.add(worker);
    router.cache.touch(known);
  }

  #unwant(worker: number, { router: label, path }: WantDestination): void {
    const router = this.#routers.get(label);
    const name = router?.byPath.get(path);
    if (router !== undefined && name?.waiting.delete(worker) === true) router.cache.touch(name);
  }

  #use(worker: number, name: Name | undefined, inUse: boolean): void {
    const router = name && this.#routers.get(name.router);
    if (name === undefined || router === undefined) return;
    if (inUse) name.using.add(worker);
    else name.using.delete(worker);
    router.cache.touch(name);
  }

  #begin(worker: number, name: Name, router: NamingRouter): void {
    name.waiting.add(worker);
    router.byPath.set(name.path, name);
    router.metrics.unbound.add(1);
    router.cache.touch(name);
    if (name.config.healthCheck === undefined) this.#follow(name, router);
    else void this.#followChecked(name, router);
  }

  async #followChecked(name: Name, router: NamingRouter): Promise<void> {
    await this.#prepareHealth(name);
    if (router.byPath.get(name.path) === name) this.#follow(name, router);
  }

  /** Checks that cannot be made ready are left out, as people are told. */
  async #prepareHealth(name: Name): Promise<void> {
    const { targets, log } = this.#parts;
    try {
      name.health = await targets.prepareHealth(name.config);
    } catch (error) {
      const fields = { router: name.router, path: name.path, detail: String(error) };
      log.error("health checks cannot be begun", () => fields);
    }
  }

  #follow(name: Name, router: NamingRouter): void {
    const stop = this.#parts.follow(name.router, name.path, (state) =>
      this.#apply(name, router, state),
    );
    name.stop = stop;
  }

  #apply(name: Name, router: NamingRouter, state: BoundState): void {
    const { targets } = this.#parts;
    if (name.destination !== undefined) return targets.apply(name.destination, state);
    if (state.branches.some(({ endpoints }) => endpoints.length > 0)) {
      name.leadsNowhere = false;
      this.#bind(name, router);
      if (name.destination !== undefined) targets.apply(name.destination, state);
      return;
    }
    name.leadsNowhere = state.known;
    if (!state.known || name.waiting.size === 0) return;
    this.#refuseWaiting(name);
    router.cache.touch(name);
  }

  /** Something stands behind it: from now on it is a destination like others, and the workers say who uses it. */
  #bind(name: Name, router: NamingRouter): void {
    const { targets, workers } = this.#parts;
    const destination = targets.add(name, name.health);
    name.destination = destination;
    name.waiting.clear();
    for (let worker = 0; worker < workers; worker += 1) name.using.add(worker);
    this.#byId.set(destination.id, name);
    router.cache.touch(name);
    router.metrics.unbound.add(-1);
    router.metrics.bound.add(1);
  }

  async #reconfigure(name: Name, client: ClientConfig): Promise<void> {
    const config = clientFor(client, name.path);
    if (sameData(config, name.config)) return;
    name.config = config;
    name.health = new Map();
    if (config.healthCheck !== undefined) await this.#prepareHealth(name);
    const isThere = this.#routers.get(name.router)?.byPath.get(name.path) === name;
    // A later change may have come meanwhile, and is the one to apply.
    if (isThere && name.config === config && name.destination !== undefined)
      this.#parts.targets.configure(name, name.health);
  }

  #letGoUnused(): void {
    for (const { cache } of this.#routers.values()) cache.letGoUnused();
  }

  /** Ends a name, whoever uses it: sessions that have endpoints keep them. */
  #end(name: Name, router: NamingRouter): void {
    this.#forget(name, router);
    name.stop();
    if (name.destination !== undefined) this.#parts.targets.remove(name);
    this.#refuseWaiting(name);
  }

  #forget(name: Name, router: NamingRouter): void {
    router.cache.remove(name);
    router.byPath.delete(name.path);
    (name.isBound ? router.metrics.bound : router.metrics.unbound).add(-1);
    if (name.destination !== undefined) this.#byId.delete(name.destination.id);
  }

  #refuseWaiting(name: Name): void {
    const { router, path, waiting } = name;
    for (const worker of waiting)
      this.#parts.tell(worker, { type: "refuse-destination", router, path });
    waiting.clear();
  }

  #newRouter(label: string, client: ClientConfig, limits: BindingCacheConfig): NamingRouter {
    const { registry, clock, log } = this.#parts;
    const metrics = new RouterNameMetrics(registry, label);
    const refusals = new NameRefusals(log, clock, label);
    const byPath = new Map<string, Name>();
    const onLetGo = (name: Name, reason: LetGoReason): void => {
      metrics.evicted[reason].add(1);
      this.#end(name, router);
    };
    const cache = new NameCache<Name>({ clock, limits, onLetGo });
    const router: NamingRouter = { client, cache, byPath, metrics, refusals };
    return router;
  }
}

/** A name that a connection has brought up. */
class Name implements PlannedDestination {
  readonly router: string;
  readonly path: string;
  config: DestinationConfig;
  health: PreparedHealth = new Map();
  stop: () => void = () => {};
  /** Workers with sessions that wait for an answer. */
  readonly waiting = new Set<number>();
  /** Workers with sessions that use the destination. */
  readonly using = new Set<number>();
  /** Undefined before something stands behind the name. */
  destination: Destination | undefined;
  /** It is known that nothing stands behind it. */
  leadsNowhere = false;

  constructor(router: string, path: string, config: DestinationConfig) {
    this.router = router;
    this.path = path;
    this.config = config;
  }

  get inUse(): boolean {
    return this.waiting.size > 0 || this.using.size > 0;
  }

  get isBound(): boolean {
    return this.destination !== undefined;
  }
}
