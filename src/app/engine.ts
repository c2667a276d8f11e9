// Everything that serves connections, as the control thread knows it: servers, destinations, limits and workers, joined.
import type { Config } from "../config/types.ts";
import { Sessions } from "../control/sessions.ts";
import { Supervisor } from "../control/supervisor.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import type { Logger, LoggerFactory } from "../telemetry/log.ts";
import type { BoundSocket } from "../transport/bind.ts";
import type { LogSettings } from "../wire/messages.ts";
import { Control } from "./control.ts";
import { descriptorsForSessions, openFilesLimit } from "./descriptor-limit.ts";
import { Destinations } from "./destinations.ts";
import { Drains } from "./drains.ts";
import { LazyLimits, type LimitsCode } from "./lazy-limits.ts";
import type { Metrics } from "./metrics.ts";
import { applyPlan } from "./reload/apply.ts";
import type { Plan } from "./reload/plan.ts";
import { Removals } from "./removals.ts";
import { type BoundServer, Servers } from "./servers.ts";
import { ThreadLimitError } from "./thread-limit.ts";

/** What an engine is made of. */
export interface EngineParts {
  readonly config: Config;
  /** Of the servers, in the order of the file. */
  readonly sockets: readonly BoundSocket[];
  readonly metrics: Metrics;
  /** Prepared for `config`. */
  readonly limitsCode: LimitsCode;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  readonly logSettings: LogSettings;
}

export class Engine {
  readonly servers: Servers;
  readonly destinations: Destinations;
  readonly drains: Drains;
  readonly limits: LazyLimits;
  readonly control: Control;
  readonly supervisor: Supervisor;
  readonly #removals: Removals;
  readonly #workers: number;
  readonly #log: Logger;
  /** Descriptors for sessions, were there no server and no warm connection. */
  readonly #descriptors: number;

  constructor(parts: EngineParts) {
    const { config, clock, logger } = parts;
    const log = logger("app");
    this.#log = log;
    this.#workers = config.workers;
    this.#descriptors = descriptorsForSessions(config.workers, 0);
    const sessions = new Sessions({
      workers: config.workers,
      broadcast: (message) => this.supervisor.broadcast(message),
      clock,
      log,
    });
    this.#removals = new Removals(sessions);
    this.drains = new Drains({
      sessions,
      broadcast: (message) => this.supervisor.broadcast(message),
      clock,
    });
    this.destinations = this.#newDestinations(parts);
    this.limits = new LazyLimits({ ...parts, registry: parts.metrics.registry });
    this.servers = new Servers({
      workers: config.workers,
      destinationOf: (router, path) => this.destinations.idOf(router, path),
      limit: (server) => this.limits.set(server),
      unlimit: (server) => this.limits.unset(server),
      isClosed: (id) => this.drains.isClosed(id),
    });
    this.servers.begin(config, parts.sockets);
    this.control = new Control({
      destinations: this.destinations,
      servers: () => this.servers.all,
      sessions,
      drains: this.drains,
      clock,
      log,
      gauge: parts.metrics.registry.gauge(PROCESS_METRICS.overrides),
    });
    this.supervisor = this.#newSupervisor(parts, sessions);
  }

  /** Starts the workers. Rejects with ThreadLimitError when the system has no threads for them. */
  async startWorkers(): Promise<void> {
    try {
      await this.supervisor.start();
    } catch (error) {
      throw new ThreadLimitError(`a worker thread cannot be started (${String(error)})`, error);
    }
  }

  /** Carries out a plan: see applyPlan. `onServing` is told of servers that are new. */
  apply(
    plan: Plan,
    isServing: () => boolean,
    onServing: (server: BoundServer) => void,
  ): Promise<string | undefined> {
    const { servers, destinations, limits, supervisor } = this;
    const descriptors = (): number => this.#descriptorsForSessions();
    return applyPlan(plan, {
      servers,
      destinations,
      limits,
      supervisor,
      removals: this.#removals,
      isServing,
      onServing,
      descriptors,
    });
  }

  /** Follows names no more, and ends all timers. */
  stop(): void {
    this.destinations.stop();
    this.control.stop();
    this.limits.stop();
  }

  #newDestinations({ config, metrics, clock, rng, logger }: EngineParts): Destinations {
    return new Destinations({
      config,
      registry: metrics.registry,
      clock,
      rng,
      logger,
      broadcast: (message) => this.supervisor.broadcast(message),
      tell: (worker, message) => this.supervisor.tell(worker, message),
      tellEach: (make) => this.supervisor.tellEach(make),
      drains: this.drains,
      onDescriptors: () => this.supervisor.limitDescriptors(this.#descriptorsForSessions()),
      onAdded: (destination) => this.control.adopt(destination),
    });
  }

  #newSupervisor(
    { config, metrics, clock, rng, logger, logSettings }: EngineParts,
    sessions: Sessions,
  ): Supervisor {
    const { registry, aggregate } = metrics;
    return new Supervisor({
      workers: config.workers,
      bufferSizeBytes: config.bufferSizeBytes,
      maxDescriptors: this.#descriptorsForSessions(),
      overload: this.limits.overload,
      logSettings,
      aggregate,
      clock,
      rng,
      log: logger("supervisor"),
      running: registry.gauge(PROCESS_METRICS.workers),
      restarts: registry.counter(PROCESS_METRICS.workerRestarts),
      replay: (index) => [...this.destinations.replay(index), ...this.servers.replay(index)],
      onReleased: (worker, id, epoch) => this.destinations.released(worker, id, epoch),
      onDied: (worker) => {
        this.destinations.workerDied(worker);
        sessions.workerDied(worker);
        this.limits.workerDied(worker);
      },
      onSessions: (worker, message) => sessions.apply(worker, message),
      onNames: (worker, message) => this.destinations.applyNames(worker, message),
    });
  }

  #descriptorsForSessions(): number {
    const warm = this.destinations.warmConnections;
    const copies = this.servers.all.length * (1 + this.#workers);
    const { checksAtATime, watchesOnDemand } = this.destinations;
    const left = this.#descriptors - warm - copies - checksAtATime - watchesOnDemand;
    const least = 2 * this.#workers;
    if (left >= least) return left;
    this.#log.warn("very few file descriptors: raise the limit (ulimit -n)", () => ({
      limit: openFilesLimit(),
    }));
    return least;
  }
}
