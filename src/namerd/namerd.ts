// The composition root of the embedded namerd: store, namers, HTTP API and admin server in one process, on one thread.
import { AdminServer } from "../admin/server.ts";
import type { NamerdConfig } from "../config/namerd-types.ts";
import { createNamers, type NamerSet } from "../discovery/create-namers.ts";
import { type Address, formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { Aggregate } from "../telemetry/aggregate.ts";
import type { Logger, LoggerFactory } from "../telemetry/log.ts";
import type { MetricFamily } from "../telemetry/metrics.ts";
import { type BuildInfo, ProcessMetrics } from "../telemetry/process-metrics.ts";
import { Registry } from "../telemetry/registry.ts";
import { type NamerdAdmin, namerdRoutes } from "./admin-routes.ts";
import { Api } from "./http/api.ts";
import { ControllerServer } from "./http/server.ts";
import { NamerdMetrics } from "./metrics.ts";
import { Names } from "./names.ts";
import { openStorage } from "./storage.ts";
import type { DtabStore, Observed, WriteResult } from "./store.ts";

/** What a running namerd is made of. */
export interface NamerdParts {
  readonly config: NamerdConfig;
  /** The configuration as it was written, without secrets. */
  readonly source: unknown;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  readonly build: BuildInfo;
  /** Connections to one interface. */
  readonly maxConnections: number;
  /** Ends the process; called once. */
  readonly exit: (code: number) => void;
}

/** An address cannot be listened on. */
export class NamerdListenError extends Error {
  readonly code = "CANNOT_LISTEN";

  constructor(address: Address, cause: unknown) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    const why = code === "EADDRINUSE" ? "another process listens there" : code;
    super(`Cannot listen on ${formatAddress(address)}: ${why}`, { cause });
    this.name = "NamerdListenError";
  }
}

interface Built {
  readonly metrics: MetricsPage;
  readonly namers: NamerSet;
  readonly store: DtabStore;
}

/** Begins to listen. Rejects with NamerdListenError, or StorageError, having closed what was open. */
export async function startNamerd(parts: NamerdParts): Promise<Namerd> {
  const { config, clock, rng, logger } = parts;
  const metrics = new MetricsPage(parts.build);
  const { registry } = metrics;
  const namers = await createNamers(config.namers, { registry, clock, rng, log: logger("namers") });
  const store = await openStorage(config.storage, { clock, rng, log: logger("storage") });
  const namerd = new Namerd(parts, { metrics, namers, store });
  try {
    await namerd.listen();
    return namerd;
  } catch (error) {
    namerd.close();
    throw error;
  }
}

/** A running namerd. */
export class Namerd {
  readonly #parts: NamerdParts;
  readonly #built: Built;
  readonly #log: Logger;
  readonly #counters: NamerdMetrics;
  readonly #names: Names;
  readonly #api: Api;
  readonly #controllers: ControllerServer[] = [];
  readonly #listing = new AbortController();
  #admin: AdminServer | undefined;
  #namespaces: readonly string[] | undefined;
  #isOver = false;

  constructor(parts: NamerdParts, built: Built) {
    const { clock, rng, logger } = parts;
    const { store, namers, metrics } = built;
    this.#parts = parts;
    this.#built = built;
    this.#log = logger("namerd");
    this.#counters = new NamerdMetrics(metrics.registry);
    this.#names = new Names(namers.service, store, clock);
    const countWrite = (how: WriteResult["how"]): void => this.#counters.countWrite(how);
    this.#api = new Api({ store, names: this.#names, clock, rng, countWrite });
    store.list(this.#listing.signal, (namespaces) => this.#list(namespaces));
  }

  /** Where the HTTP API is served, with real ports. */
  get interfaces(): readonly Address[] {
    return this.#controllers.map(({ address }) => address);
  }

  /** Where the admin server is, with its real port. */
  get admin(): Address {
    return this.#admin?.address ?? this.#parts.config.admin;
  }

  /** Opens all addresses. Rejects with NamerdListenError. */
  async listen(): Promise<void> {
    const { config, clock, logger, maxConnections } = this.#parts;
    const log = logger("http");
    const shared = { api: this.#api, metrics: this.#counters, log, clock, maxConnections };
    for (const address of config.interfaces) {
      try {
        this.#controllers.push(await ControllerServer.listen({ ...address, ...shared }));
      } catch (error) {
        throw new NamerdListenError(address, error);
      }
    }
    try {
      const routes = namerdRoutes(this.#adminPort());
      this.#admin = new AdminServer({ ...config.admin, routes, log: logger("admin"), clock });
    } catch (error) {
      throw new NamerdListenError(config.admin, error);
    }
    for (const address of this.interfaces) {
      this.#log.info("serving", () => ({ address: formatAddress(address) }));
    }
    this.#log.info("ready", () => ({ admin: formatAddress(this.admin) }));
  }

  /** Ends everything, and the process with code 0; a second call ends it with `secondCode`. */
  stop(secondCode: number): void {
    if (this.#isOver) return this.#parts.exit(secondCode);
    this.#log.info("stopped");
    this.close();
    this.#parts.exit(0);
  }

  /** Closes all that is open. Idempotent. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const controller of this.#controllers) controller.stop();
    void this.#admin?.stop();
    this.#listing.abort();
    this.#api.stop();
    this.#names.stop();
    this.#built.store.close();
  }

  #list(namespaces: Observed<readonly string[]>): void {
    if (namespaces.state === "failed") {
      this.#log.warn("cannot list namespaces", () => ({ cause: namespaces.cause }));
    }
    if (namespaces.state !== "ok") return;
    this.#namespaces = namespaces.value;
    this.#counters.namespaces.set(namespaces.value.length);
  }

  #adminPort(): NamerdAdmin {
    const { metrics, namers } = this.#built;
    return {
      version: this.#parts.build.version,
      interfaces: this.interfaces.map(formatAddress),
      namespaces: () => this.#namespaces,
      metrics: () => {
        namers.refreshMetrics();
        return metrics.collect();
      },
      config: () => this.#parts.source,
      shutdown: () => this.stop(0),
    };
  }
}

/** What this process counts. */
class MetricsPage {
  readonly #aggregate = new Aggregate();
  readonly registry = new Registry(this.#aggregate.source("namerd"));
  readonly #process: ProcessMetrics;

  constructor(build: BuildInfo) {
    this.#process = new ProcessMetrics(this.registry, build);
  }

  collect(): readonly MetricFamily[] {
    this.#process.refresh();
    return this.#aggregate.collect();
  }
}
