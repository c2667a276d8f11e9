// Real workers under a real supervisor in the process of the test, which can end one of them: a thread of a child process
// cannot be killed from outside.
import { addServer } from "./add-server.ts";
import { EndpointRows } from "../../src/control/endpoint-rows.ts";
import { Destination } from "../../src/control/destination.ts";
import { Supervisor } from "../../src/control/supervisor.ts";
import { clientFor } from "../../src/config/client-for.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { systemRng } from "../../src/lib/rng.ts";
import { Aggregate } from "../../src/telemetry/aggregate.ts";
import { PROCESS_METRICS } from "../../src/telemetry/catalogue/process.ts";
import { EndpointSlots } from "../../src/telemetry/endpoint-slots.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import type { Counter } from "../../src/telemetry/metrics.ts";
import { Registry } from "../../src/telemetry/registry.ts";
import { bind, type BoundSocket } from "../../src/transport/bind.ts";
import type { EndpointPage, ToWorker, UpdateEndpoints } from "../../src/wire/messages.ts";

const PATH = "/svc/web";
const LOG = {
  filter: [{ module: "", threshold: "off" }],
  style: "json",
  target: { fd: 2, by: "write" },
} as const;

export interface WorkerSceneParts {
  readonly workers: number;
  /** Port of the only endpoint, on 127.0.0.1. */
  readonly endpoint: number;
  /** Connections that it may have. */
  readonly maxSize: number;
}

/** One server for one endpoint on some workers. */
export class WorkerScene implements AsyncDisposable {
  readonly #parts: WorkerSceneParts;
  readonly #bound: BoundSocket = bind("127.0.0.1", 0);
  readonly #pages: EndpointPage[] = [];
  readonly #threads: Worker[] = [];
  readonly #restarts: Counter;
  readonly #supervisor: Supervisor;

  private constructor(parts: WorkerSceneParts) {
    this.#parts = parts;
    const aggregate = new Aggregate();
    const registry = new Registry(aggregate.source("control"));
    const rows = new EndpointRows(parts.workers, (page) => this.#pages.push(page));
    let lastId = 0;
    const destination = new Destination({
      id: 1,
      router: "rt",
      path: PATH,
      rows,
      workers: parts.workers,
      broadcast: () => {},
      nextEndpointId: () => (lastId += 1),
    });
    const endpoints = [{ ip: "127.0.0.1", port: parts.endpoint, weight: 1 }];
    const name = {
      resolution: { state: "bound", endpoints },
      kept: undefined,
      lastConfirmedMs: 0,
    } as const;
    destination.apply({
      state: "bound",
      known: true,
      branches: [{ id: PATH, weight: 1, name, endpoints }],
      kept: undefined,
      lastConfirmedMs: 0,
    });
    this.#restarts = registry.counter(PROCESS_METRICS.workerRestarts);
    this.#supervisor = new Supervisor({
      workers: parts.workers,
      bufferSizeBytes: 16_384,
      maxDescriptors: 1_000,
      logSettings: LOG,
      aggregate,
      clock: systemClock,
      rng: systemRng(),
      log: silentLogger,
      running: registry.gauge(PROCESS_METRICS.workers),
      restarts: this.#restarts,
      replay: () => this.#replay(destination),
      onReleased: () => {},
      onSessions: () => {},
      onDied: (worker) => destination.workerDied(worker),
    });
  }

  /** Resolves when all workers accept. */
  static async start(parts: WorkerSceneParts): Promise<WorkerScene> {
    const scene = new WorkerScene(parts);
    const threads = scene.#threads;
    const Real = globalThis.Worker;
    // The supervisor shows its threads to nobody.
    globalThis.Worker = class extends Real {
      constructor(...args: ConstructorParameters<typeof Real>) {
        super(...args);
        threads.push(this);
      }
    };
    try {
      await scene.#supervisor.start();
    } finally {
      globalThis.Worker = Real;
    }
    return scene;
  }

  get port(): number {
    return this.#bound.port;
  }

  get restarts(): number {
    return this.#restarts.value;
  }

  /** Places of the endpoint that each worker holds. */
  held(): readonly number[] {
    const slots = this.#pages[0]?.slots ?? new SharedArrayBuffer(0);
    const { workers } = this.#parts;
    return Array.from(
      { length: workers },
      (_, worker) => new EndpointSlots(new Int32Array(slots), 0, worker, workers).ownHeld,
    );
  }

  /** Ends the thread of a worker, wherever it is. */
  kill(worker: number): void {
    this.#threads[worker]?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#supervisor.stop();
    this.#bound.close();
  }

  #replay(destination: Destination): readonly ToWorker[] {
    const updates: UpdateEndpoints[] = [];
    destination.replay((update) => updates.push(update));
    const rule = {
      prefix: "/",
      maxConnectionsPerEndpoint: this.#parts.maxSize,
    };
    return [
      ...this.#pages,
      {
        type: "add-destination",
        destination: 1,
        router: "rt",
        path: PATH,
        config: clientFor([rule], PATH),
      },
      ...updates,
      addServer(this.#bound),
    ];
  }
}
