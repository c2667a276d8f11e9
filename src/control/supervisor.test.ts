import { expect, test } from "bun:test";
import { addServer } from "../../test/support/add-server.ts";
import { until } from "../../test/support/until.ts";
import { clientFor } from "../config/client-for.ts";
import { systemClock } from "../lib/clock.ts";
import { seededRng } from "../lib/rng.ts";
import { Aggregate } from "../telemetry/aggregate.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { bind } from "../transport/bind.ts";
import type { ToWorker } from "../wire/messages.ts";
import { Supervisor } from "./supervisor.ts";

/** A message that no control thread sends: the worker dies of it. */
const DEADLY = { type: "start" } as ToWorker;

/** Refuses new threads as Bun does, until it is over. */
function lackOfThreads() {
  const Real = globalThis.Worker;
  const lack = {
    over: false,
    refusals: 0,
    [Symbol.dispose]() {
      globalThis.Worker = Real;
    },
  };
  globalThis.Worker = class extends Real {
    constructor(...args: ConstructorParameters<typeof Real>) {
      if (!lack.over) {
        lack.refusals += 1;
        throw new TypeError("Failed to spawn worker thread");
      }
      super(...args);
    }
  };
  return lack;
}

function setup(workers: number) {
  const aggregate = new Aggregate();
  const registry = new Registry(aggregate.source("control"));
  const bound = bind("127.0.0.1", 0);
  const died: number[] = [];
  const running = registry.gauge(PROCESS_METRICS.workers);
  const restarts = registry.counter(PROCESS_METRICS.workerRestarts);
  const supervisor = new Supervisor({
    workers,
    bufferSizeBytes: 16_384,
    maxDescriptors: 1_000,
    logSettings: {
      filter: [{ module: "", threshold: "off" }],
      style: "json",
      target: { fd: 2, by: "write" },
    },
    aggregate,
    clock: systemClock,
    rng: seededRng(1),
    log: silentLogger,
    running,
    restarts,
    replay: () => [
      {
        type: "add-destination",
        destination: 1,
        router: "rt",
        path: "/svc/none",
        config: clientFor([], "/svc/none"),
      },
      addServer(bound, { connectTimeoutMs: 20 }),
    ],
    onReleased: () => {},
    onDied: (worker) => died.push(worker),
    onSessions: () => {},
  });
  const accepts = () =>
    aggregate.collect().find(({ definition }) => definition.name === "l5d_srv_accepts_total")
      ?.series ?? [];
  const accepted = (): number => accepts().reduce((sum, { numbers }) => sum + (numbers[0] ?? 0), 0);
  const servers = (): number => accepts().length;
  /** Connects, and resolves when the connection has ended: nothing is resolved, so it is reset after 20 ms. */
  const visit = async (): Promise<void> => {
    const { promise: ended, resolve: end, reject } = Promise.withResolvers<void>();
    Bun.connect({
      hostname: "127.0.0.1",
      port: bound.port,
      socket: { data() {}, close: () => end() },
    }).catch((error: Error & { readonly code?: string }) => {
      // It was made, and reset before this thread had a look at it. One that is refused has another code.
      if (error.code === "ECONNRESET") end();
      else reject(error);
    });
    await ended;
  };
  return { supervisor, running, restarts, died, accepted, servers, visit, bound };
}

test("Supervisor replaces a worker that dies; no connection is refused meanwhile and no count is lost", async () => {
  const { supervisor, running, restarts, died, accepted, visit, bound } = setup(2);
  await supervisor.start();
  expect(running.value).toBe(2);
  await visit();
  expect(accepted()).toBe(1);
  supervisor.broadcast(DEADLY);
  // The kernel's queue takes the connection while there is no worker; it is served, or ends with the one that died.
  const waiting = visit();
  await until("both are replaced", () => restarts.value === 2 && running.value === 2);
  await waiting;
  expect(died.toSorted()).toEqual([0, 1]);
  const before = accepted();
  expect(before).toBeGreaterThanOrEqual(1);
  await visit();
  await until("the visit is counted", () => accepted() === before + 1);
  supervisor.stop();
  bound.close();
});

test("Supervisor says so when no thread can be had at its start, and tries again and again later", async () => {
  const { supervisor, running, restarts, bound } = setup(1);
  const lack = lackOfThreads();
  try {
    expect(() => supervisor.start()).toThrow("Failed to spawn worker thread");
    lack.over = true;
    await supervisor.start();
    lack.over = false;
    supervisor.broadcast(DEADLY);
    await until("it has tried twice", () => lack.refusals === 3);
    lack.over = true;
    await until("the worker is replaced", () => restarts.value === 1 && running.value === 1);
  } finally {
    lack[Symbol.dispose]();
    supervisor.stop();
    bound.close();
  }
});

test("Supervisor is drained when its workers are, and destroys sessions when it is told to", async () => {
  const { supervisor, bound } = setup(1);
  await supervisor.start();
  const drained = supervisor.drain();
  supervisor.destroySessions();
  await drained;
  supervisor.stop();
  bound.close();
});

test("Supervisor knows when workers have done what they were told, and does not wait for one that dies", async () => {
  const { supervisor, restarts, running, bound } = setup(2);
  expect(await supervisor.confirm()).toBe(true);
  await supervisor.start();
  supervisor.tellEach((index) => ({ type: "limit-descriptors", maxDescriptors: 10 + index }));
  supervisor.limitDescriptors(100);
  expect(await supervisor.confirm()).toBe(true);
  supervisor.broadcast(DEADLY);
  expect(await supervisor.confirm()).toBe(true);
  await until("both are replaced", () => restarts.value === 2 && running.value === 2);
  supervisor.stop();
  bound.close();
});

test("Supervisor tells a worker that is being started nothing but what it is told at its start, and nothing twice", async () => {
  const { supervisor, visit, bound } = setup(1);
  const started = supervisor.start();
  // As a reload does, that adds a server meanwhile.
  supervisor.tellEach(() => addServer(bound, { connectTimeoutMs: 20 }));
  await started;
  supervisor.tellEach(() => ({ type: "remove-server", server: addServer(bound).server }));
  expect(await supervisor.confirm()).toBe(true);
  bound.close();
  expect(visit()).rejects.toThrow();
  supervisor.stop();
});

test("Supervisor makes no servers on a worker that is ready after the drain has begun", async () => {
  const { supervisor, servers, bound } = setup(1);
  void supervisor.start();
  await supervisor.drain();
  await supervisor.confirm();
  expect(servers()).toBe(0);
  supervisor.stop();
  bound.close();
});
