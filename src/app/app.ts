// The composition root: joins configuration, discovery, workers and the admin port into a running proxy.
import type { AdminPort, ReloadAnswer, Status } from "../admin/admin-port.ts";
import { AdminServer } from "../admin/server.ts";
import type { Config } from "../config/types.ts";
import { Supervisor } from "../control/supervisor.ts";
import { formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import type { Logger, LoggerFactory } from "../telemetry/log.ts";
import type { LogSettings } from "../wire/messages.ts";
import { descriptorsForSessions, openFilesLimit } from "./descriptor-limit.ts";
import { Destinations } from "./destinations.ts";
import { listen } from "./listeners.ts";
import { Metrics } from "./metrics.ts";
import { applyPlan } from "./reload/apply.ts";
import { type ConfigOrigin, type Loaded, Reloader, type ReloadHooks } from "./reload/reloader.ts";
import { ReloadMetrics } from "./reload/reload-metrics.ts";
import { type BoundServer, Servers } from "./servers.ts";
import { statusOf } from "./status.ts";
import { checkThreadLimit, ThreadLimitError } from "./thread-limit.ts";

/** After the grace time, how long workers get to close what is left. */
const DESTROY_MS = 1_000;

/** What a running proxy is made of. */
export interface AppParts extends ReloadHooks {
  readonly config: Config;
  /** The configuration as it was written, without secrets. */
  readonly source: unknown;
  readonly files?: Loaded["files"] | undefined;
  readonly fingerprint?: string | undefined;
  /** For reloads; undefined where there is no file. */
  readonly origin?: ConfigOrigin | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  readonly logSettings: LogSettings;
  /** Ends the process; called once. */
  readonly exit: (code: number) => void;
}

export class App implements AdminPort {
  readonly #parts: AppParts;
  readonly #log: Logger;
  readonly #metrics = new Metrics();
  readonly #servers: Servers;
  readonly #destinations: Destinations;
  readonly #supervisor: Supervisor;
  readonly #startedMs: number;
  readonly #admin: AdminServer;
  readonly #reloader: Reloader;
  /** Descriptors for sessions, were there no server and no warm connection. */
  readonly #descriptors: number;
  #state: Status["state"] = "starting";

  /** Binds every address. Throws ListenError. */
  constructor(parts: AppParts) {
    const { config, clock, rng, logger, logSettings } = parts;
    const { registry, aggregate } = this.#metrics;
    this.#parts = parts;
    this.#log = logger("app");
    this.#startedMs = clock.now();
    const { sockets, admin } = listen(
      config,
      () => new AdminServer({ ...config.admin, app: this, log: logger("admin"), clock }),
    );
    this.#admin = admin;
    this.#destinations = new Destinations({
      config,
      registry,
      clock,
      rng,
      logger,
      broadcast: (message) => this.#supervisor.broadcast(message),
    });
    this.#servers = new Servers({
      workers: config.workers,
      destinationOf: (router, path) => this.#destinations.idOf(router, path),
    });
    this.#servers.begin(config, sockets);
    this.#descriptors = descriptorsForSessions(config.workers, 0);
    this.#supervisor = new Supervisor({
      workers: config.workers,
      bufferSizeBytes: config.bufferSizeBytes,
      maxDescriptors: this.#descriptorsForSessions(),
      logSettings,
      aggregate,
      clock,
      rng,
      log: logger("supervisor"),
      running: registry.gauge(PROCESS_METRICS.workers),
      restarts: registry.counter(PROCESS_METRICS.workerRestarts),
      replay: (index) => [...this.#destinations.replay(index), ...this.#servers.replay(index)],
      onReleased: (worker, id, epoch) => this.#destinations.released(worker, id, epoch),
      onDied: (worker) => this.#destinations.workerDied(worker),
    });
    this.#reloader = this.#makeReloader(parts);
  }

  /**
   * Starts workers and the admin port; resolves when connections are accepted. Rejects with ThreadLimitError when the
   * system has no threads for the workers.
   */
  async start(): Promise<void> {
    checkThreadLimit(this.#parts.config.workers);
    await this.#destinations.follow();
    await this.#startWorkers();
    this.#state = "serving";
    for (const server of this.#servers.all) this.#tellServing(server);
    this.#log.info("ready", () => ({ admin: formatAddress(this.#admin.address) }));
  }

  metrics(): string {
    this.#destinations.refreshAges();
    return this.#metrics.render(this.#destinations.all);
  }

  status(): Status {
    const { clock } = this.#parts;
    return statusOf({
      state: this.#state,
      uptimeMs: clock.now() - this.#startedMs,
      nowMs: clock.now(),
      workers: this.#reloader.config.workers,
      configuration: this.#reloader.inEffect,
      servers: this.#servers.all,
      destinations: this.#destinations.all,
      namers: this.#destinations.namers,
    });
  }

  config(): unknown {
    return this.#reloader.source;
  }

  reload(): Promise<ReloadAnswer> {
    return this.#reloader.reload("POST /reload");
  }

  plan(): Promise<ReloadAnswer> {
    return this.#reloader.plan();
  }

  /** Reloads as soon as nothing else is being reloaded; the log tells what came of it. */
  requestReload(why: string): void {
    this.#reloader.request(why);
  }

  shutdown(): void {
    this.stop(1);
  }

  /**
   * Accepts no more, lets connections end for up to the grace time, then ends the process with code 0. A second call
   * ends it at once with `secondCode`.
   */
  stop(secondCode: number): void {
    if (this.#state === "draining" || this.#state === "stopped") return this.#exit(secondCode);
    void this.#drain();
  }

  abort(): void {
    this.#log.warn("aborted");
    this.#exit(1);
  }

  async #startWorkers(): Promise<void> {
    try {
      await this.#supervisor.start();
    } catch (error) {
      throw new ThreadLimitError(`a worker thread cannot be started (${String(error)})`, error);
    }
  }

  async #drain(): Promise<void> {
    const { clock } = this.#parts;
    const { graceMs } = this.#reloader.config.admin;
    this.#state = "draining";
    this.#log.info("shutting down", () => ({ graceMs }));
    this.#servers.close();
    const { promise: given, resolve: giveUp } = Promise.withResolvers<void>();
    clock.after(graceMs, () => {
      this.#log.warn("grace is over, closing what is left");
      this.#supervisor.destroySessions();
      clock.after(DESTROY_MS, giveUp);
    });
    await Promise.race([this.#supervisor.drain(), given]);
    this.#log.info("stopped");
    this.#exit(0);
  }

  #exit(code: number): void {
    this.#state = "stopped";
    this.#reloader.stop();
    this.#destinations.stop();
    this.#admin.stop();
    this.#parts.exit(code);
  }

  #tellServing({ router, config, socket }: BoundServer): void {
    const fields = { router, address: formatAddress(socket), dst: config.dstName };
    this.#log.info("serving", () => ({ ...fields, tls: config.tls !== undefined }));
  }

  #makeReloader(parts: AppParts): Reloader {
    const { origin, clock, logger, onReloadBegin, onReloadEnd } = parts;
    const destinations = this.#destinations;
    return new Reloader({
      started: parts,
      origin,
      clock,
      log: logger("reload"),
      metrics: new ReloadMetrics(this.#metrics.registry),
      obstacle: () => (this.#state === "serving" ? undefined : `the process is ${this.#state}`),
      live: () => this.#metrics.live(this.#servers, destinations),
      apply: (plan) =>
        applyPlan(plan, {
          servers: this.#servers,
          destinations,
          supervisor: this.#supervisor,
          isServing: () => this.#state === "serving",
          onServing: (server) => this.#tellServing(server),
          descriptors: () => this.#descriptorsForSessions(),
        }),
      ...(onReloadBegin && { onReloadBegin }),
      ...(onReloadEnd && { onReloadEnd }),
    });
  }

  #descriptorsForSessions(): number {
    const { workers } = this.#parts.config;
    const warm = this.#destinations.warmConnections;
    const copies = this.#servers.all.length * (1 + workers);
    const left = this.#descriptors - warm - copies;
    const least = 2 * workers;
    if (left >= least) return left;
    this.#log.warn("very few file descriptors: raise the limit (ulimit -n)", () => ({
      limit: openFilesLimit(),
    }));
    return least;
  }
}
