// Our namerd's HTTP API in the test's own process, over a store in memory and a folder of names.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNamers } from "../../src/discovery/create-namers.ts";
import type { NameService } from "../../src/discovery/name-service.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { type Rng, seededRng } from "../../src/lib/rng.ts";
import { Api } from "../../src/namerd/http/api.ts";
import { ControllerServer } from "../../src/namerd/http/server.ts";
import { NamerdMetrics } from "../../src/namerd/metrics.ts";
import { Names } from "../../src/namerd/names.ts";
import type { DtabStore } from "../../src/namerd/store.ts";
import { memoryStore } from "../../src/namerd/stores/memory-store.ts";
import { type Dtab, parseDtab } from "../../src/naming/dtab.ts";
import { Aggregate } from "../../src/telemetry/aggregate.ts";
import { type Logger, silentLogger } from "../../src/telemetry/log.ts";
import { prometheusText } from "../../src/telemetry/prometheus.ts";
import { Registry } from "../../src/telemetry/registry.ts";

export interface NamerdServerOptions {
  readonly namespaces?: Readonly<Record<string, string>>;
  /** Files of the namer /#/io.l5d.fs. */
  readonly files?: Readonly<Record<string, string>>;
  readonly service?: NameService;
  readonly store?: DtabStore;
  readonly rng?: Rng;
  readonly maxConnections?: number;
  readonly log?: Logger;
}

export class NamerdServer implements AsyncDisposable {
  readonly folder: string;
  readonly store: DtabStore;
  readonly names: Names;
  readonly #aggregate = new Aggregate();
  readonly #api: Api;
  readonly #options: NamerdServerOptions;
  readonly #metrics: NamerdMetrics;
  #server: ControllerServer | undefined;

  private constructor(options: NamerdServerOptions, service: NameService, folder: string) {
    this.folder = folder;
    this.#options = options;
    const namespaces = Object.entries(options.namespaces ?? {});
    this.store =
      options.store ?? memoryStore(new Map(namespaces.map(([name, text]) => [name, dtab(text)])));
    this.#metrics = new NamerdMetrics(new Registry(this.#aggregate.source("test")));
    this.names = new Names(service, this.store, systemClock);
    this.#api = new Api({
      store: this.store,
      names: this.names,
      clock: systemClock,
      rng: options.rng ?? seededRng(1),
      countWrite: (how) => this.#metrics.countWrite(how),
    });
  }

  static async start(options: NamerdServerOptions = {}): Promise<NamerdServer> {
    const folder = mkdtempSync(join(tmpdir(), "l5d-namerd-"));
    for (const [name, text] of Object.entries(options.files ?? {}))
      writeFileSync(join(folder, name), text);
    const service = options.service ?? (await fsService(folder));
    const server = new NamerdServer(options, service, folder);
    await server.#listen();
    return server;
  }

  get port(): number {
    return this.#server?.address.port ?? 0;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}/api/1${path}`;
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  remove(name: string): void {
    rmSync(join(this.folder, name));
  }

  metrics(): string {
    return prometheusText(this.#aggregate.collect());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.stop();
    this.#api.stop();
    this.names.stop();
    this.store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #listen(): Promise<void> {
    this.#server = await ControllerServer.listen({
      ip: "127.0.0.1",
      port: 0,
      api: this.#api,
      metrics: this.#metrics,
      log: this.#options.log ?? silentLogger,
      clock: systemClock,
      maxConnections: this.#options.maxConnections ?? 5_000,
    });
  }
}

function dtab(text: string): Dtab {
  const parsed = parseDtab(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.dtab;
}

async function fsService(rootDir: string): Promise<NameService> {
  const aggregate = new Aggregate();
  const registry = new Registry(aggregate.source("names"));
  const { service } = await createNamers([{ kind: "io.l5d.fs", prefix: "/io.l5d.fs", rootDir }], {
    registry,
    clock: systemClock,
    rng: seededRng(1),
    log: silentLogger,
  });
  return service;
}
