// The composition root: joins configuration, what serves connections, and the admin port into a running proxy.
import type { AdminPort, ReloadAnswer, Status, UpgradeOutcome } from "../admin/admin-port.ts";
import type { ControlPort } from "../admin/control-port.ts";
import { leadsTo } from "../config/route-paths.ts";
import type { Config } from "../config/types.ts";
import { formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import type { Logger, LoggerFactory } from "../telemetry/log.ts";
import { libc } from "../transport/libc.ts";
import type { LogSettings } from "../wire/messages.ts";
import { AcceptQueues } from "./accept-queues.ts";
import { AdminPlace } from "./admin-place.ts";
import { Engine } from "./engine.ts";
import type { Inherited } from "./inherited.ts";
import type { LimitsCode } from "./lazy-limits.ts";
import { adminFailures, listen, ListenError } from "./listeners.ts";
import { liveCounts } from "./live-counts.ts";
import { Metrics } from "./metrics.ts";
import type { Certificates } from "./certificates/certificates.ts";
import type { Notifier } from "./notify.ts";
import type { Predecessor } from "./predecessor.ts";
import { type ConfigOrigin, type Loaded, Reloader } from "./reload/reloader.ts";
import { ReloadMetrics } from "./reload/reload-metrics.ts";
import type { BoundServer } from "./servers.ts";
import { type Restart, startWith } from "./start-successor.ts";
import { statusOf } from "./status.ts";
import { checkThreadLimit } from "./thread-limit.ts";
import { hasEndpoints, unresolvedOf } from "./unresolved.ts";
import { Upgrade } from "./upgrade.ts";

/** After the grace time, how long workers get to close what is left. */
const DESTROY_MS = 1_000;

/** What a running proxy is made of. */
export interface AppParts {
  readonly config: Config;
  /** The configuration as it was written, without secrets. */
  readonly source: unknown;
  readonly files?: Loaded["files"] | undefined;
  readonly fingerprint?: string | undefined;
  readonly material?: Loaded["material"] | undefined;
  /** For reloads; undefined where there is no file. */
  readonly origin?: ConfigOrigin | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  readonly logSettings: LogSettings;
  /** Listening sockets that were passed to this process. */
  readonly inherited: Inherited;
  /** The process that this one takes over from. */
  readonly predecessor: Predecessor | undefined;
  readonly notifier: Notifier;
  /** Prepared for `config`. */
  readonly limitsCode: LimitsCode;
  readonly restart: Restart;
  /** A reload is over. */
  readonly onReloadEnd?: () => void;
  /** Ends the process; called once. */
  readonly exit: (code: number) => void;
}

export class App implements AdminPort {
  readonly #parts: AppParts;
  readonly #log: Logger;
  readonly #metrics = new Metrics();
  readonly #engine: Engine;
  readonly #queues: AcceptQueues;
  readonly #reloader: Reloader;
  /** Undefined where there are none. */
  #certificates: Certificates | undefined;
  readonly #startedMs: number;
  readonly #upgrade: Upgrade;
  /** Undefined in a process that takes over, until it may serve. */
  #admin: AdminPlace | undefined;
  #state: Status["state"] = "starting";
  #heardMs = Number.NEGATIVE_INFINITY;

  /** Binds every address. Throws ListenError. */
  constructor(parts: AppParts) {
    const { config, clock, logger, inherited, predecessor } = parts;
    this.#parts = parts;
    this.#log = logger("app");
    this.#startedMs = clock.now();
    const { sockets, admin } = listen(config, inherited, () => ({
      place: predecessor === undefined ? this.#startAdmin() : undefined,
    }));
    inherited.closeLeft(this.#log);
    this.#admin = admin.place;
    this.#engine = new Engine({ ...parts, sockets, metrics: this.#metrics });
    this.#queues = new AcceptQueues(this.#metrics.registry);
    this.#upgrade = this.#createUpgrade();
    this.#reloader = this.#createReloader();
  }

  /** Connections and endpoints, for operators. */
  get control(): ControlPort {
    return this.#engine.control;
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
    const { destinations, servers } = this.#engine;
    await destinations.follow();
    const overrides = await predecessor?.prepared(() => unresolvedOf(destinations.all));
    this.#engine.control.takeOver(overrides ?? []);
    await this.#engine.startWorkers();
    const admin = this.#admin ?? this.#joinAdmin();
    this.#admin = admin;
    this.#state = "serving";
    for (const server of servers.all) this.#tellServing(server);
    this.#log.info("ready", () => ({ admin: formatAddress(admin.address), pid: process.pid }));
    if (predecessor !== undefined) this.#countUpgrade("taken-over");
    predecessor?.ready();
    notifier.ready(this.#readyText());
    notifier.watch(() => this.#workersAnswer());
    this.#reloader.resume();
  }

  metrics(): string {
    const { destinations } = this.#engine;
    destinations.refreshAges();
    this.#refreshQueues();
    return this.#metrics.render(destinations.all);
  }

  status(): Status {
    const { clock } = this.#parts;
    const { destinations, servers, drains, limits } = this.#engine;
    this.#refreshQueues();
    return statusOf({
      state: this.#state,
      upgrade: this.#upgrade.status,
      uptimeMs: clock.now() - this.#startedMs,
      nowMs: clock.now(),
      wallMs: clock.wallTime(),
      workers: this.#reloader.config.workers,
      configuration: this.#reloader.inEffect,
      servers: servers.all,
      destinations: destinations.all,
      namers: destinations.namers,
      drains: drains.status(),
      overrides: this.control.overrides(),
      counts: liveCounts(this.#metrics.aggregate),
      isClosed: (id) => drains.isClosed(id),
      refusals: limits.refusals(),
      certificates: this.#certificates,
      reason: (destination, address) => destinations.reason(destination, address),
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

  async upgrade(): Promise<UpgradeOutcome> {
    const { restart } = this.#parts;
    if ("impossible" in restart) return this.#upgrade.refuse(restart.impossible);
    if (this.#state !== "serving" && this.#upgrade.status?.state !== "done")
      return this.#upgrade.refuse(`this process is ${this.#state}`);
    // It may bind sockets that the new process would not get.
    if (this.#reloader.isBusy) return this.#upgrade.refuse("a reload is under way");
    const outcome = await this.#upgrade.run();
    if (outcome.result === "failed")
      this.#parts.notifier.status(`Serving; the last upgrade failed: ${outcome.message}`);
    if (outcome.result !== "refused") this.#reloader.resume();
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
    this.#parts.notifier.stopping(this.#reloader.config.admin.graceMs);
    void this.#drain();
  }

  abort(): void {
    this.#log.warn("aborted");
    this.#exit(1);
  }

  /** Ends the process not before `alsoDone`. */
  async #drain(alsoDone?: Promise<void>): Promise<void> {
    const { clock } = this.#parts;
    const { servers, drains, supervisor } = this.#engine;
    const { admin } = this.#reloader.config;
    const { graceMs, drainWindowMs } = admin;
    this.#state = "draining";
    this.#upgrade.cancel();
    this.#log.info("shutting down", () => ({ graceMs }));
    servers.close();
    if (drainWindowMs > 0) clock.after(graceMs - drainWindowMs, () => drains.process(admin));
    const { promise: given, resolve: giveUp } = Promise.withResolvers<void>();
    clock.after(graceMs, () => {
      this.#log.warn("grace is over, closing what is left");
      supervisor.destroySessions();
      clock.after(DESTROY_MS, giveUp);
    });
    await Promise.race([supervisor.drain(), given]);
    await alsoDone;
    this.#log.info("stopped", () => ({ pid: process.pid }));
    this.#exit(0);
  }

  #exit(code: number): void {
    this.#state = "stopped";
    this.#upgrade.cancel();
    this.#reloader.stop();
    this.#certificates?.stop();
    this.#engine.stop();
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
        startWith(
          restart,
          this.#engine.servers.open,
          this.#admin?.address ?? config.admin,
          observer,
        ),
      hasEndpoints: (name) => hasEndpoints(this.#engine.destinations.all, name),
      shareAdmin: (shared) => this.#admin?.share(shared),
      overrides: () => this.#engine.control.passOn(),
      count: (result) => this.#countUpgrade(result),
      graceMs: () => this.#reloader.config.admin.graceMs,
    });
  }

  /** A socket that is closed has no queue, and its number may be of another file by then. */
  #refreshQueues(): void {
    if (this.#state === "serving") this.#queues.refresh(this.#engine.servers.open);
  }

  #countUpgrade(result: string): void {
    this.#metrics.registry.counter(PROCESS_METRICS.upgrades, result).add(1);
  }

  /** Whether any worker has said something since this was asked the last time; asks all to. */
  #workersAnswer(): boolean {
    const heardMs = this.#engine.supervisor.heardMs;
    const answered = heardMs > this.#heardMs;
    this.#heardMs = heardMs;
    void this.#engine.supervisor.confirm();
    return answered;
  }

  #readyText(): string {
    const admin = this.#admin && formatAddress(this.#admin.address);
    return `Serving on ${this.#engine.servers.all.length} addresses, admin ${admin}`;
  }

  #tellServing({ router, config, socket }: BoundServer): void {
    const fields = { router, address: formatAddress(socket), dst: leadsTo(config) };
    this.#log.info("serving", () => ({ ...fields, tls: config.tls !== undefined }));
  }

  get #isHandedOver(): boolean {
    return this.#upgrade.status?.state === "done";
  }

  /** A process that is being started has read the file by itself: it must not be behind this one once it takes over. */
  #reloadObstacle(): string | undefined {
    if (this.#state !== "serving") return `the process is ${this.#state}`;
    const upgrade = this.#upgrade.status;
    if (upgrade?.state === "starting")
      return `an upgrade is under way, and process ${upgrade.pid} reads the file by itself: try again when it is over`;
    if (upgrade?.state === "done") return `process ${upgrade.pid} has taken over: ask that one`;
    return undefined;
  }

  #createReloader(): Reloader {
    const { origin, clock, logger, notifier, onReloadEnd } = this.#parts;
    const { servers, destinations } = this.#engine;
    const isServing = (): boolean => this.#state === "serving" && !this.#isHandedOver;
    return new Reloader({
      started: this.#parts,
      origin,
      clock,
      log: logger("reload"),
      metrics: new ReloadMetrics(this.#metrics.registry),
      obstacle: () => this.#reloadObstacle(),
      isObstacleShort: () =>
        this.#state === "starting" || this.#upgrade.status?.state === "starting",
      live: () => this.#metrics.live(servers, destinations),
      apply: (plan) => this.#engine.apply(plan, isServing, (server) => this.#tellServing(server)),
      onMaterial: (material, isFollowed) => void this.#useMaterial(material, isFollowed),
      onReloadBegin: () => notifier.reloading(),
      onReloadEnd: () => {
        // One that stops meanwhile says that, and no longer that it is ready.
        if (isServing()) notifier.ready(this.#readyText());
        onReloadEnd?.();
      },
    });
  }

  /** What certificates need is loaded where there are certificates. */
  async #useMaterial(material: Loaded["material"], isFollowed: boolean): Promise<void> {
    if (material === undefined && this.#certificates === undefined) return;
    const { Certificates: Made } = await import("./certificates/certificates.ts");
    if (this.#state === "stopped") return;
    const { clock, logger } = this.#parts;
    this.#certificates ??= new Made({
      clock,
      log: logger("tls"),
      registry: this.#metrics.registry,
      rotate: (read) => this.#reloader.rotate(read),
    });
    this.#certificates.use(material, isFollowed);
  }
}
