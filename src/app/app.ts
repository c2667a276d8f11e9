// The composition root: joins configuration, discovery, workers and the admin port into a running proxy.
import type { AdminPort, Status } from "../admin/admin-port.ts";
import { AdminServer } from "../admin/server.ts";
import type { Config } from "../config/types.ts";
import { shareOf } from "../control/share.ts";
import { Supervisor } from "../control/supervisor.ts";
import { formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import type { Logger, LoggerFactory } from "../telemetry/log.ts";
import type { LogSettings, ToWorker } from "../wire/messages.ts";
import { descriptorsForSessions, openFilesLimit } from "./descriptor-limit.ts";
import { Destinations } from "./destinations.ts";
import { type BoundServer, listen } from "./listeners.ts";
import { Metrics } from "./metrics.ts";
import { statusOf } from "./status.ts";
import { checkThreadLimit, ThreadLimitError } from "./thread-limit.ts";

/** After the grace time, how long workers get to close what is left. */
const DESTROY_MS = 1_000;

/** What a running proxy is made of. */
export interface AppParts {
  readonly config: Config;
  /** The configuration as it was written, without secrets. */
  readonly source: unknown;
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
  readonly #servers: readonly BoundServer[];
  readonly #destinations: Destinations;
  readonly #supervisor: Supervisor;
  readonly #startedMs: number;
  readonly #admin: AdminServer;
  #state: Status["state"] = "starting";

  /** Binds every address. Throws ListenError. */
  constructor(parts: AppParts) {
    const { config, clock, rng, logger, logSettings } = parts;
    const { registry, aggregate } = this.#metrics;
    this.#parts = parts;
    this.#log = logger("app");
    this.#startedMs = clock.now();
    const { servers, admin } = listen(
      config,
      () => new AdminServer({ ...config.admin, app: this, log: logger("admin"), clock }),
    );
    this.#servers = servers;
    this.#admin = admin;
    this.#destinations = new Destinations({
      config,
      registry,
      clock,
      rng,
      logger,
      broadcast: (message) => this.#supervisor.broadcast(message),
    });
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
      replay: (index) => this.#replay(index),
      onReleased: (worker, id, epoch) => this.#destinations.released(worker, id, epoch),
      onDied: (worker) => this.#destinations.workerDied(worker),
    });
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
    for (const { router, config: server, socket } of this.#servers) {
      const fields = { router: router.label, address: formatAddress(socket), dst: server.dstName };
      this.#log.info("serving", () => ({ ...fields, tls: server.tls !== undefined }));
    }
    this.#log.info("ready", () => ({ admin: formatAddress(this.#admin.address) }));
  }

  metrics(): string {
    this.#destinations.refreshAges();
    return this.#metrics.render(this.#destinations.all);
  }

  status(): Status {
    const { clock, config } = this.#parts;
    return statusOf({
      state: this.#state,
      uptimeMs: clock.now() - this.#startedMs,
      nowMs: clock.now(),
      workers: config.workers,
      servers: this.#servers,
      destinations: this.#destinations.all,
      namers: this.#destinations.namers,
      reason: (destination, address) => this.#destinations.reason(destination, address),
    });
  }

  config(): unknown {
    return this.#parts.source;
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
    const { clock, config } = this.#parts;
    this.#state = "draining";
    this.#log.info("shutting down", () => ({ graceMs: config.admin.graceMs }));
    for (const { socket } of this.#servers) socket.close();
    const { promise: given, resolve: giveUp } = Promise.withResolvers<void>();
    clock.after(config.admin.graceMs, () => {
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
    this.#destinations.stop();
    this.#admin.stop();
    this.#parts.exit(code);
  }

  #replay(index: number): ToWorker[] {
    const { workers } = this.#parts.config;
    const messages = this.#destinations.replay(index);
    for (const { id, router, config, socket } of this.#servers) {
      const destination = this.#destinations.idOf(router.label, config.dstName);
      if (destination === undefined) continue;
      messages.push({
        type: "add-server",
        server: id,
        router: router.label,
        destination,
        fd: socket.fd,
        ip: socket.ip,
        port: socket.port,
        tls: config.tls,
        proxyProtocol: config.proxyProtocol,
        connectTimeoutMs: config.connectTimeoutMs,
        connectionLifetimeMs: config.connectionLifetimeMs,
        idleTimeoutMs: config.idleTimeoutMs,
        maxConcurrency: shareOf(config.maxConcurrency, index, workers),
      });
    }
    return messages;
  }

  #descriptorsForSessions(): number {
    const { config } = this.#parts;
    const warm = this.#destinations.warmConnections;
    const copies = this.#servers.length * (1 + config.workers);
    const checks = this.#destinations.checksAtATime;
    const left = descriptorsForSessions(config.workers, warm + copies + checks);
    const least = 2 * config.workers;
    if (left >= least) return left;
    this.#log.warn("very few file descriptors: raise the limit (ulimit -n)", () => ({
      limit: openFilesLimit(),
    }));
    return least;
  }
}
