// The balancers of one destination on several workers, over connectors that tests drive by hand.
import { Balancer, type BalancerSettings } from "../../src/balancer/balancer.ts";
import type { EndpointConnection } from "../../src/balancer/connection.ts";
import { Endpoint } from "../../src/balancer/endpoint.ts";
import { BalancerMetrics } from "../../src/balancer/metrics.ts";
import { createPickers } from "../../src/balancer/pickers.ts";
import type { RefuseReason, Wait, Waiter } from "../../src/balancer/wait.ts";
import { seededRng } from "../../src/lib/rng.ts";
import { EndpointSlots, newSlotPage } from "../../src/telemetry/endpoint-slots.ts";
import { EndpointRow, newEndpointPage } from "../../src/telemetry/endpoint-table.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { Registry } from "../../src/telemetry/registry.ts";
import { connectTarget } from "../../src/transport/connector.ts";
import { afterFailures, AT_ONCE } from "./accrual-config.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeConnector } from "./fake-sockets.ts";

const BRANCHES = [{ branch: 0, weight: 1 }];

/** A session as a balancer sees it. */
export class SceneWaiter implements Waiter {
  connection: EndpointConnection | undefined;
  refused: RefuseReason | undefined;
  wait: Wait | undefined;

  clientHash(): number {
    return 0;
  }

  onEndpoint(connection: EndpointConnection): void {
    this.connection = connection;
  }

  onRefused(reason: RefuseReason): void {
    this.refused = reason;
  }

  /** Its connection ends. */
  end(): void {
    this.connection?.end();
  }
}

/** One worker's balancer. */
export class SceneWorker {
  readonly balancer: Balancer;
  readonly connector = new FakeConnector();
  readonly metrics = new BalancerMetrics(new Registry(() => {}), "rt", "/svc/web");
  readonly endpoints: readonly Endpoint[];

  constructor(clock: FakeClock, settings: BalancerSettings, endpoints: readonly Endpoint[]) {
    this.endpoints = endpoints;
    this.balancer = new Balancer({
      settings,
      pickers: createPickers({ kind: "p2c" }, { clock, rng: seededRng(1), place: () => 0 }),
      connector: this.connector,
      metrics: this.metrics,
      clock,
      rng: seededRng(1),
      log: silentLogger,
      peerHasClosed: () => false,
      onReleased: () => {},
    });
    this.update({ added: endpoints });
  }

  update(change: { added?: readonly Endpoint[]; removed?: readonly number[] }): void {
    const { added = [], removed = [] } = change;
    this.balancer.update({
      known: true,
      branches: BRANCHES,
      added,
      changed: [],
      removed: removed.map((id) => ({ id, epoch: 1 })),
    });
  }

  acquire(): SceneWaiter {
    const waiter = new SceneWaiter();
    waiter.wait = this.balancer.acquire(waiter);
    return waiter;
  }

  /** A session whose connection stands at once. */
  open(): SceneWaiter {
    const attempts = this.connector.attempts.length;
    const waiter = this.acquire();
    if (this.connector.attempts.length > attempts) this.connector.last.succeed();
    return waiter;
  }
}

/** `workers` balancers that know the same `endpoints`, with ports from 1000 on. */
export function balancerScene(parts: {
  readonly workers?: number;
  readonly endpoints: number;
  readonly settings?: Partial<BalancerSettings>;
}) {
  const { workers: count = 1, endpoints, settings } = parts;
  const clock = new FakeClock();
  const page = new Float64Array(newEndpointPage(count));
  const slots = new Int32Array(newSlotPage(count));
  const endpoint = (id: number, worker: number): Endpoint =>
    new Endpoint({
      id,
      branch: 0,
      target: connectTarget("127.0.0.1", 1000 + id),
      weight: 1,
      row: new EndpointRow(page, id, worker, count),
      slots: new EndpointSlots(slots, id, worker, count),
    });
  const workers = Array.from({ length: count }, (_, worker) => {
    const known = Array.from({ length: endpoints }, (_entry, id) => endpoint(id, worker));
    return new SceneWorker(
      clock,
      {
        maxWaiters: 10_000,
        minConnections: 0,
        accrual: afterFailures(1_000_000),
        ...AT_ONCE,
        retryBudget: { minRetriesPerSec: 10, percentCanRetry: 0.2, ttlMs: 10_000 },
        maxConnectionsPerEndpoint: Number.POSITIVE_INFINITY,
        ...settings,
      },
      known,
    );
  });
  const [first] = workers;
  if (first === undefined) throw new Error("at least one worker");
  return { clock, workers, first, endpoint };
}
