// New settings for a balancer that runs: what begins from now on follows them, what runs is left alone.
import { describe, expect, test } from "bun:test";
import { afterFailures, AT_ONCE } from "../../test/support/accrual-config.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FakeConnector, FakeSocket } from "../../test/support/fake-sockets.ts";
import type { LoadBalancerConfig } from "../config/types.ts";
import { seededRng } from "../lib/rng.ts";
import { Aggregate } from "../telemetry/aggregate.ts";
import { EndpointRow, newEndpointPage } from "../telemetry/endpoint-table.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import type { TlsOptions } from "../transport/bun.ts";
import { connectTarget } from "../transport/connector.ts";
import { Balancer, type BalancerSettings, type BalancerSetup } from "./balancer.ts";
import type { EndpointConnection } from "./connection.ts";
import { Endpoint } from "./endpoint.ts";
import { BalancerMetrics } from "./metrics.ts";
import { createPickers } from "./pickers.ts";
import type { Waiter } from "./wait.ts";

const SETTINGS = {
  maxWaiters: 100,
  minConnections: 0,
  accrual: afterFailures(2),
  ...AT_ONCE,
  retryBudget: { minRetriesPerSec: 1_000, percentCanRetry: 10, ttlMs: 10_000 },
  maxConnectionsPerEndpoint: Number.POSITIVE_INFINITY,
} satisfies BalancerSettings;

function setup(settings: Partial<BalancerSettings> = {}) {
  const clock = new FakeClock();
  const connector = new FakeConnector();
  const aggregate = new Aggregate();
  const metrics = new BalancerMetrics(new Registry(aggregate.source("test")), "rt", "/svc/web");
  const pickersOf = (config: LoadBalancerConfig) =>
    createPickers(config, { clock, rng: seededRng(1), place: () => 0 });
  const initial: BalancerSetup = {
    settings: { ...SETTINGS, ...settings },
    pickers: pickersOf({ kind: "p2c" }),
    connector,
  };
  const released: number[] = [];
  const balancer = new Balancer({
    ...initial,
    metrics,
    clock,
    rng: seededRng(1),
    log: silentLogger,
    peerHasClosed: () => false,
    onReleased: ({ id }) => released.push(id),
  });
  const page = new Float64Array(newEndpointPage(1));
  const endpoints = [1, 2].map(
    (id) =>
      new Endpoint({
        id,
        branch: 0,
        target: connectTarget("127.0.0.1", 1000 + id),
        weight: 1,
        row: new EndpointRow(page, id, 0, 1),
      }),
  );
  const update = { known: true, branches: [{ branch: 0, weight: 1 }], changed: [] };
  balancer.update({ ...update, added: endpoints, removed: [] });
  const removeAll = () =>
    balancer.update({
      ...update,
      added: [],
      removed: endpoints.map(({ id }) => ({ id, epoch: 1 })),
    });
  const shown = (): number => aggregate.collect().filter(({ series }) => series.length > 0).length;
  return {
    clock,
    connector,
    metrics,
    initial,
    balancer,
    endpoints,
    pickersOf,
    removeAll,
    released,
    shown,
  };
}

class Client implements Waiter {
  connection: EndpointConnection | undefined;
  refused: string | undefined;
  early = "";
  clientHash(): number {
    return 7;
  }
  onEndpoint(connection: EndpointConnection): void {
    this.connection = connection;
  }
  onRefused(reason: string): void {
    this.refused = reason;
  }
}

describe("Balancer.reconfigure()", () => {
  test("keeps loads, failures and ejections when endpoints are chosen in another way", () => {
    const { balancer, initial, connector, endpoints, pickersOf, clock } = setup();
    const [a, b] = endpoints as [Endpoint, Endpoint];
    const client = new Client();
    balancer.acquire(client);
    connector.last.succeed();
    const held = client.connection?.endpoint;
    const other = held === a ? b : a;
    other.lastFailure = "remembered";
    for (const kind of ["leastConnections", "roundRobin", "p2c"] as const) {
      balancer.reconfigure({ ...initial, pickers: pickersOf({ kind }) });
      expect([held?.load, other.lastFailure]).toEqual([1, "remembered"]);
      const next = new Client();
      const wait = balancer.acquire(next);
      expect([1_001, 1_002]).toContain(connector.last.target.port);
      wait?.cancel();
    }
    balancer.reconfigure({
      ...initial,
      pickers: pickersOf({ kind: "maglev", maxLoadFactor: Number.POSITIVE_INFINITY }),
    });
    expect(balancer.byClient).toBe(true);
    const ports = new Set<number>();
    for (let times = 0; times < 20; times += 1) {
      balancer.acquire(new Client());
      ports.add(connector.last.target.port);
    }
    expect(ports.size).toBe(1);
    expect(clock.pending).toBe(0);
  });

  test("lets an ejected endpoint stay ejected, and readmits it when nothing is ejected any more", () => {
    const { balancer, initial, connector, endpoints, clock, pickersOf } = setup();
    const client = new Client();
    const wait = balancer.acquire(client);
    for (let times = 0; times < 6; times += 1) {
      connector.last.fail();
      clock.advance(30);
    }
    const states = () => endpoints.map(({ state }) => state).toSorted();
    // The last one is never ejected.
    expect(states()).toEqual(["ejected", "ready"]);
    wait?.cancel();
    const settings = { ...SETTINGS, accrual: afterFailures(9, 5_000) };
    balancer.reconfigure({ ...initial, pickers: pickersOf({ kind: "roundRobin" }), settings });
    expect(states()).toEqual(["ejected", "ready"]);
    balancer.reconfigure({
      ...initial,
      settings: { ...SETTINGS, accrual: { ...afterFailures(2), rule: { kind: "none" } } },
    });
    expect(states()).toEqual(["ready", "ready"]);
    expect(clock.pending).toBe(0);
  });

  test("takes on a limit of connections with those that there are, raises it, and lifts it", () => {
    const { balancer, initial, connector, endpoints } = setup();
    const open = (): Client => {
      const client = new Client();
      balancer.acquire(client);
      return client;
    };
    const limit = (maxConnectionsPerEndpoint: number) =>
      balancer.reconfigure({ ...initial, settings: { ...SETTINGS, maxConnectionsPerEndpoint } });
    const first = open();
    connector.last.succeed();
    limit(1);
    open();
    connector.last.succeed();
    expect(endpoints.map(({ load }) => load)).toEqual([1, 1]);
    const attempts = connector.attempts.length;
    const third = open();
    expect([third.connection, connector.attempts.length]).toEqual([undefined, attempts]);
    limit(2);
    expect(connector.attempts).toHaveLength(attempts + 1);
    connector.last.succeed();
    limit(1);
    open();
    open();
    expect(connector.attempts).toHaveLength(attempts + 1);
    // Its endpoint has room only now if it had no more than this one.
    first.connection?.end();
    limit(Number.POSITIVE_INFINITY);
    expect(connector.attempts).toHaveLength(attempts + 3);
  });

  test("takes a probe that is under way for no place when a limit comes", () => {
    const accrual = afterFailures(1);
    const { balancer, initial, connector, endpoints, clock } = setup({ accrual });
    const [a] = endpoints as [Endpoint];
    while (a.state === "ready") {
      balancer.acquire(new Client());
      if (connector.last.target.port === a.target.port) connector.last.fail();
      connector.last.succeed();
    }
    const open = a.load;
    clock.advance(1_000);
    const probe = connector.last;
    const held = (): readonly number[] => [a.load - open, a.slots.held - open];
    balancer.reconfigure({
      ...initial,
      settings: { ...SETTINGS, accrual, maxConnectionsPerEndpoint: 9 },
    });
    expect(held()).toEqual([1, 0]);
    probe.succeed();
    expect(held()).toEqual([0, 0]);
  });

  test("counts waiters against the new limit", () => {
    const { balancer, initial } = setup();
    balancer.acquire(new Client());
    balancer.reconfigure({ ...initial, settings: { ...SETTINGS, maxWaiters: 1 } });
    const second = new Client();
    balancer.acquire(second);
    expect(second.refused).toBe("queue_full");
  });

  test("makes and closes warm connections until there are as many as are wanted now", () => {
    const { balancer, initial, connector, metrics } = setup({ minConnections: 2 });
    for (const attempt of connector.attempts) attempt.succeed();
    expect(metrics.warm.value).toBe(2);
    const want = (minConnections: number) =>
      balancer.reconfigure({ ...initial, settings: { ...SETTINGS, minConnections } });
    want(4);
    expect(connector.attempts).toHaveLength(4);
    connector.last.succeed();
    want(1);
    expect([metrics.warm.value, metrics.pending.value]).toEqual([1, 0]);
    expect(connector.attempts[2]?.aborted).toBe(true);
    want(0);
    expect([metrics.warm.value, metrics.open.value]).toEqual([0, 0]);
  });

  test("makes warm connections anew when they speak another TLS, and leaves those in use alone", () => {
    const { balancer, initial, connector, metrics } = setup({ minConnections: 1 });
    const warm = connector.last.succeed();
    const client = new Client();
    const pending = new Client();
    balancer.acquire(client);
    const refilled = connector.last.succeed();
    balancer.reconfigure({ ...initial, settings: { ...SETTINGS, minConnections: 0 } });
    balancer.acquire(pending);
    const attempt = connector.last;
    const tls = new FakeConnector({ serverName: "x" } satisfies TlsOptions);
    balancer.reconfigure({
      ...initial,
      settings: { ...SETTINGS, minConnections: 1 },
      connector: tls,
    });
    expect([warm.state, refilled.state]).toEqual(["open", "closed"]);
    expect(tls.attempts).toHaveLength(1);
    // An attempt that was begun in plain text stands in plain text.
    attempt.succeed(new FakeSocket());
    expect([client.connection?.tls, pending.connection?.tls]).toEqual([false, false]);
    tls.last.succeed();
    const third = new Client();
    balancer.acquire(third);
    expect(third.connection?.tls).toBe(true);
    expect(metrics.open.value).toBe(3 + metrics.warm.value);
  });
});

test("a balancer without endpoints is empty once its last connection has ended, and its series go", () => {
  const { balancer, connector, metrics, removeAll, released, shown } = setup();
  const client = new Client();
  balancer.acquire(client);
  connector.last.succeed();
  removeAll();
  let empty = 0;
  balancer.onceEmpty(() => {
    empty += 1;
    metrics.release();
  });
  expect([empty, released.length]).toEqual([0, 1]);
  expect(shown()).toBeGreaterThan(0);
  client.connection?.end();
  expect([empty, released.length, shown()]).toEqual([1, 2, 0]);
});
