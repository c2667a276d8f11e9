// Limits over real workers: what one that dies had taken is given back.
import { expect, test } from "bun:test";
import { addServer } from "../../test/support/add-server.ts";
import { limitsConfig, perSource } from "../../test/support/limits.ts";
import { until } from "../../test/support/until.ts";
import { clientFor } from "../config/client-for.ts";
import { systemClock } from "../lib/clock.ts";
import { seededRng } from "../lib/rng.ts";
import { Aggregate } from "../telemetry/aggregate.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { bind } from "../transport/bind.ts";
import { libc } from "../transport/libc.ts";
import type { ToWorker } from "../wire/messages.ts";
import { Limits } from "./limits.ts";
import { Supervisor } from "./supervisor.ts";

/** A message that no control thread sends: the worker dies of it. */
const DEADLY = { type: "start" } as ToWorker;
const WORKERS = 2;
const MOST = 3;

function setup() {
  const registry = new Registry(() => {});
  const bound = bind("127.0.0.1", 0);
  const clockOffsetMs = (libc?.monotonicMs() ?? Date.now()) - systemClock.now();
  const rng = seededRng(1);
  const parts = { workers: WORKERS, clock: systemClock, clockOffsetMs, rng, log: silentLogger };
  const limits = new Limits(parts);
  limits.set({
    id: 0,
    router: "rt",
    address: "127.0.0.1:1",
    config: limitsConfig({ perSource: perSource(MOST) }),
    maxConnections: 100,
  });
  // There is no such destination: connections wait, and stay.
  const server = addServer(bound, { connectTimeoutMs: 60_000, limits: limits.of(0) });
  const restarts = registry.counter(PROCESS_METRICS.workerRestarts);
  const supervisor = new Supervisor({
    ...parts,
    bufferSizeBytes: 16_384,
    maxDescriptors: 1_000,
    logSettings: {
      filter: [{ module: "", threshold: "off" }],
      style: "json",
      target: { fd: 2, by: "write" },
    },
    aggregate: new Aggregate(),
    running: registry.gauge(PROCESS_METRICS.workers),
    restarts,
    replay: () => [DESTINATION, server],
    onReleased: () => {},
    onSessions: () => {},
    onDied: (worker) => limits.workerDied(worker),
  });
  return { bound, limits, supervisor, restarts };
}

const DESTINATION: ToWorker = {
  type: "add-destination",
  destination: 1,
  router: "rt",
  path: "/svc/none",
  config: clientFor([], "/svc/none"),
};

test("what a dead worker's connections had taken is given back, and no more", async () => {
  const { bound, limits, supervisor, restarts } = setup();
  await supervisor.start();
  const connections = () => limits.refusals()[0]?.connected[0]?.connections ?? 0;
  const refused = () => limits.refusals()[0]?.refusals.source_connections ?? 0;
  let closed = 0;
  const connect = async (count: number): Promise<void> => {
    for (let made = 0; made < count; made += 1) {
      // One that is reset at once may fail to connect instead of being closed.
      await Bun.connect({
        hostname: "127.0.0.1",
        port: bound.port,
        socket: { data() {}, close: () => void (closed += 1) },
      }).catch(() => {});
    }
  };
  await connect(8);
  await until("three are in", () => connections() === MOST && refused() === 8 - MOST);
  supervisor.broadcast(DEADLY);
  await until("both are replaced", () => restarts.value === WORKERS);
  await until("their places are free", () => connections() === 0);
  await connect(8);
  await until("three others are in", () => connections() === MOST && refused() === 2 * (8 - MOST));
  expect(closed).toBeLessThanOrEqual(16 - MOST);
  supervisor.stop();
  limits.stop();
  bound.close();
});
