// The composition root: joins configuration, discovery, workers and the admin port into a running proxy.
import type { AdminPort, Status, UpgradeOutcome } from "../admin/admin-port.ts";
import type { Config } from "../config/types.ts";
import { Sessions } from "../control/sessions.ts";
import { shareOf } from "../control/share.ts";
import { Supervisor } from "../control/supervisor.ts";
import { formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import type { Logger, LoggerFactory } from "../telemetry/log.ts";
import type { LogSettings, ToWorker } from "../wire/messages.ts";
import { libc } from "../transport/libc.ts";
import { AcceptQueues } from "./accept-queues.ts";
import { AdminPlace } from "./admin-place.ts";
import { Control } from "./control.ts";
import { descriptorsForSessions, openFilesLimit } from "./descriptor-limit.ts";
import { Destinations } from "./destinations.ts";
import { Drains } from "./drains.ts";
import type { Inherited } from "./inherited.ts";
import { type AppLimits, createLimits } from "./limits.ts";
import { adminFailures, type BoundServer, listen, ListenError } from "./listeners.ts";
import { Metrics } from "./metrics.ts";
import type { Notifier } from "./notify.ts";
import type { Predecessor } from "./predecessor.ts";
import { type Restart, startWith } from "./start-successor.ts";
import { statusOf } from "./status.ts";
import { checkThreadLimit, ThreadLimitError } from "./thread-limit.ts";
import { hasEndpoints, unresolvedOf } from "./unresolved.ts";
import { Upgrade } from "./upgrade.ts";

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
  /** Listening sockets that were passed to this process. */
  readonly inherited: Inherited;
  /** The process that this one takes over from. */
  readonly predecessor: Predecessor | undefined;
  readonly notifier: Notifier;
  readonly restart: Restart;
  /** Ends the process; called once. */
  readonly exit: (code: number) => void;
}

export class App implements AdminPort {
  readonly #parts: AppParts;
  readonly #log: Logger;
  readonly #metrics = new Metrics();
  readonly #servers: readonly BoundServer[];
  readonly #destinations: Destinations;
  readonly #sessions: Sessions;
  readonly #drains: Drains;
  readonly #limits: AppLimits;
  readonly #queues: AcceptQueues;
  readonly #supervisor: Supervisor;
  readonly #startedMs: number;
  readonly #upgrade: Upgrade;
  /** Undefined in a process that takes over, until it may serve. */
  #admin: AdminPlace | undefined;
  #state: Status["state"] = "starting";
  #heardMs = Number.NEGATIVE_INFINITY;
  readonly control: Control;

  /** Binds every address. Throws ListenError. */
  constructor(parts: AppParts) {
    const { config, clock, rng, logger, logSettings, inherited, predecessor } = parts;
    const { registry, aggregate } = this.#metrics;
    this.#parts = parts;
    this.#log = logger("app");
    this.#startedMs = clock.now();
    const { servers, admin } = listen(config, inherited, () => ({
      place: predecessor === undefined ? this.#startAdmin() : undefined,
    }));
    inherited.closeLeft(this.#log);
    this.#servers = servers;
    this.#sessions = new Sessions({
      workers: config.workers,
      broadcast: (message) => this.#supervisor.broadcast(message),
      clock,
      log: this.#log,
    });
    this.#drains = new Drains({
      sessions: this.#sessions,
      broadcast: (message) => this.#supervisor.broadcast(message),
      clock,
    });
    this.#admin = admin.place;
    this.#upgrade = this.#createUpgrade();
    this.#destinations = new Destinations({
      config,
      registry,
      clock,
      rng,
      logger,
      broadcast: (message) => this.#supervisor.broadcast(message),
      drains: this.#drains,
    });
    this.control = new Control({
      destinations: this.#destinations,
      servers: () => this.#servers,
      sessions: this.#sessions,
      drains: this.#drains,
      clock,
      log: this.#log,
      gauge: registry.gauge(PROCESS_METRICS.overrides),
    });
    this.#limits = createLimits({ config, servers, registry, clock, rng, logger });
    this.#queues = new AcceptQueues(registry);
    this.#supervisor = new Supervisor({
      workers: config.workers,
      bufferSizeBytes: config.bufferSizeBytes,
      maxDescriptors: this.#descriptorsForSessions(),
      logSettings,
      overload: this.#limits.overload,
      aggregate,
      clock,
      rng,
      log: logger("supervisor"),
      running: registry.gauge(PROCESS_METRICS.workers),
      restarts: registry.counter(PROCESS_METRICS.workerRestarts),
      replay: (index) => this.#replay(index),
      onReleased: (worker, id, epoch) => this.#destinations.released(worker, id, epoch),
      onDied: (worker) => {
        this.#destinations.workerDied(worker);
        this.#sessions.workerDied(worker);
        this.#limits.workerDied(worker);
      },
      onSessions: (worker, message) => this.#sessions.apply(worker, message),
    });
  }

  /**
   * Starts workers and the admin port; resolves when connections are accepted. Rejects with ThreadLimitError when the
   * system has no threads for the workers.
   */
  async start(): Promise<void> {
    checkThreadLimit(this.#parts.config.workers);
    const { predecessor, notifier } = this.#parts;
    if (libc === undefined)
      this.#log.warn("TCP keepalive and user timeouts are not set: that needs Linux with glibc");
    await this.#destinations.follow();
    await predecessor?.prepared(() => unresolvedOf(this.#destinations.all));
    await this.#startWorkers();
    const admin = this.#admin ?? this.#joinAdmin();
    this.#admin = admin;
    this.#state = "serving";
    for (const { router, config: server, socket } of this.#servers) {
      const fields = { router: router.label, address: formatAddress(socket), dst: server.dstName };
      this.#log.info("serving", () => ({ ...fields, tls: server.tls !== undefined }));
    }
    this.#log.info("ready", () => ({ admin: formatAddress(admin.address), pid: process.pid }));
    if (predecessor !== undefined) this.#countUpgrade("taken-over");
    predecessor?.ready();
    notifier.ready(
      `Serving on ${this.#servers.length} addresses, admin ${formatAddress(admin.address)}`,
    );
    notifier.watch(() => this.#workersAnswer());
  }

  metrics(): string {
    this.#destinations.refreshAges();
    if (this.#state === "serving") this.#queues.refresh(this.#servers);
    return this.#metrics.render(this.#destinations.all);
  }

  status(): Status {
    const { clock, config } = this.#parts;
    return statusOf({
      state: this.#state,
      upgrade: this.#upgrade.status,
      uptimeMs: clock.now() - this.#startedMs,
      nowMs: clock.now(),
      wallMs: clock.wallTime(),
      workers: config.workers,
      servers: this.#servers,
      destinations: this.#destinations.all,
      namers: this.#destinations.namers,
      drains: this.#drains.status(),
      refusals: this.#limits.servers.refusals(),
      reason: (destination, address) => this.#destinations.reason(destination, address),
    });
  }

  config(): unknown {
    return this.#parts.source;
  }

  shutdown(): void {
    this.stop(1);
  }

  async upgrade(): Promise<UpgradeOutcome> {
    const { restart } = this.#parts;
    if ("impossible" in restart) return this.#upgrade.refuse(restart.impossible);
    if (this.#state !== "serving" && this.#upgrade.status?.state !== "done")
      return this.#upgrade.refuse(`this process is ${this.#state}`);
    const outcome = await this.#upgrade.run();
    if (outcome.result === "failed")
      this.#parts.notifier.status(`Serving; the last upgrade failed: ${outcome.message}`);
    return outcome;
  }

  handOver(pid: number): void {
    this.#parts.notifier.handOver(pid);
    const moved = this.#admin?.moveAside();
    const admin = this.#admin && formatAddress(this.#admin.address);
    this.#log.info("handed over: this process drains", () => ({ pid, admin }));
    if (this.#state === "serving") void this.#drain(moved);
  }

  /**
   * Accepts no more, lets connections end for up to the grace time, ends them one by one over the last part of it, then
   * ends the process with code 0. A second call
   * ends it at once with `secondCode`.
   */
  stop(secondCode: number): void {
    if (this.#state === "draining" || this.#state === "stopped") return this.#exit(secondCode);
    this.#parts.notifier.stopping(this.#parts.config.admin.graceMs);
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

  /** Ends the process not before `alsoDone`. */
  async #drain(alsoDone?: Promise<void>): Promise<void> {
    const { clock, config } = this.#parts;
    this.#state = "draining";
    this.#upgrade.cancel();
    this.#log.info("shutting down", () => ({ graceMs: config.admin.graceMs }));
    for (const { socket } of this.#servers) socket.close();
    const { graceMs, drainWindowMs } = config.admin;
    if (drainWindowMs > 0)
      clock.after(graceMs - drainWindowMs, () => this.#drains.process(config.admin));
    const { promise: given, resolve: giveUp } = Promise.withResolvers<void>();
    clock.after(graceMs, () => {
      this.#log.warn("grace is over, closing what is left");
      this.#supervisor.destroySessions();
      clock.after(DESTROY_MS, giveUp);
    });
    await Promise.race([this.#supervisor.drain(), given]);
    await alsoDone;
    this.#log.info("stopped", () => ({ pid: process.pid }));
    this.#exit(0);
  }

  #exit(code: number): void {
    this.#state = "stopped";
    this.#upgrade.cancel();
    this.#destinations.stop();
    this.control.stop();
    this.#limits.stop();
    this.#admin?.stop();
    this.#parts.exit(code);
  }

  /** Where port 0 is configured, a process that takes over keeps the port that the other has. */
  #startAdmin(): AdminPlace {
    const { config, predecessor, logger, clock } = this.#parts;
    const { ip, port } = config.admin;
    const before = predecessor?.admin;
    const at = port === 0 && before?.ip === ip ? before : { ip, port };
    const joins = before !== undefined && at.ip === before.ip && at.port === before.port;
    return new AdminPlace(at, joins, { app: this, log: logger("admin"), clock });
  }

  /** Throws ListenError. */
  #joinAdmin(): AdminPlace {
    const { config, inherited } = this.#parts;
    try {
      return this.#startAdmin();
    } catch (error) {
      throw new ListenError(adminFailures(config, inherited, error));
    }
  }

  #createUpgrade(): Upgrade {
    const { clock, config, restart } = this.#parts;
    return new Upgrade({
      clock,
      log: this.#log,
      start: (observer) =>
        startWith(restart, this.#servers, this.#admin?.address ?? config.admin, observer),
      hasEndpoints: (name) => hasEndpoints(this.#destinations.all, name),
      shareAdmin: (shared) => this.#admin?.share(shared),
      count: (result) => this.#countUpgrade(result),
      graceMs: config.admin.graceMs,
    });
  }

  #countUpgrade(result: string): void {
    this.#metrics.registry.counter(PROCESS_METRICS.upgrades, result).add(1);
  }

  /** Whether any worker has said something since this was asked the last time; asks all to. */
  #workersAnswer(): boolean {
    const heardMs = this.#supervisor.heardMs;
    const answered = heardMs > this.#heardMs;
    this.#heardMs = heardMs;
    this.#supervisor.broadcast({ type: "confirm" });
    return answered;
  }

  #replay(index: number): ToWorker[] {
    const { workers } = this.#parts.config;
    const messages = this.#destinations.replay(index);
    for (const { id, router, config, socket } of this.#servers) {
      const destination = this.#destinations.idOf(router.label, config.dstName);
      if (destination === undefined || this.#drains.isClosed(id)) continue;
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
        connectionLifetimeJitter: config.connectionLifetimeJitter,
        idleTimeoutMs: config.idleTimeoutMs,
        halfClosedTimeoutMs: config.halfClosedTimeoutMs,
        socketOptions: config.socketOptions,
        maxConcurrency: shareOf(config.maxConcurrency, index, workers),
        limits: this.#limits.servers.of(id),
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
