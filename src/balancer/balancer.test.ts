import { describe, expect, spyOn, test } from "bun:test";
import { afterFailures, AT_ONCE } from "../../test/support/accrual-config.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FakeConnector } from "../../test/support/fake-sockets.ts";
import type { LoadBalancerConfig } from "../config/types.ts";
import { seededRng } from "../lib/rng.ts";
import { EndpointRow, newEndpointPage } from "../telemetry/endpoint-table.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { connectTarget } from "../transport/connector.ts";
import { Balancer, type BalancerSettings } from "./balancer.ts";
import type { EndpointConnection } from "./connection.ts";
import { Endpoint } from "./endpoint.ts";
import { BalancerMetrics } from "./metrics.ts";
import { createPickers } from "./pickers.ts";
import type { RefuseReason, Waiter } from "./wait.ts";

/** What the control thread says of an endpoint that nothing is wrong with. */
const UP = { healthy: true, enabled: true };
const ALL = [{ branch: 0, weight: 1 }];
/** Where retries are not what is tested. */
const AMPLE = { minRetriesPerSec: 1_000, percentCanRetry: 1, ttlMs: 10_000 };
/** The second branch gets nothing. */
const SPLIT = [
  { branch: 0, weight: 1 },
  { branch: 1, weight: 0 },
];

class TestWaiter implements Waiter {
  readonly #client: number;
  connection: EndpointConnection | undefined;
  refused: RefuseReason | undefined;
  early: string | undefined;

  constructor(client: number) {
    this.#client = client;
  }

  clientHash(): number {
    return this.#client;
  }

  onEndpoint(connection: EndpointConnection, _socket: unknown, early: readonly Uint8Array[]): void {
    this.connection = connection;
    this.early = early.map((bytes) => new TextDecoder().decode(bytes)).join("");
  }

  onRefused(reason: RefuseReason): void {
    this.refused = reason;
  }
}

function setup(
  settings: Partial<BalancerSettings> = {},
  loadBalancer: LoadBalancerConfig = { kind: "p2c" },
) {
  const clock = new FakeClock();
  const connector = new FakeConnector();
  const released: number[][] = [];
  const closedPeers = new Set<unknown>();
  const metrics = new BalancerMetrics(new Registry(() => {}), "rt", "/svc/web");
  const balancer = new Balancer({
    settings: {
      maxWaiters: 100,
      minConnections: 0,
      accrual: afterFailures(3),
      ...AT_ONCE,
      retryBudget: AMPLE,
      maxConnectionsPerEndpoint: Number.POSITIVE_INFINITY,
      ...settings,
    },
    pickers: createPickers(loadBalancer, { clock, rng: seededRng(1), place: () => 0 }),
    connector,
    metrics,
    clock,
    rng: seededRng(1),
    log: silentLogger,
    peerHasClosed: (socket) => closedPeers.has(socket),
    onReleased: ({ id }, epoch) => released.push([id, epoch]),
  });
  const page = new Float64Array(newEndpointPage(1));
  const endpoint = (id: number, weight = 1, branch = 0) =>
    new Endpoint({
      id,
      branch,
      target: connectTarget("127.0.0.1", 1000 + id),
      weight,
      row: new EndpointRow(page, id, 0, 1),
    });
  const add = (...added: Endpoint[]) =>
    balancer.update({ known: true, branches: ALL, added, changed: [], removed: [] });
  const remove = (id: number, epoch = 1) =>
    balancer.update({
      known: true,
      branches: ALL,
      added: [],
      changed: [],
      removed: [{ id, epoch }],
    });
  const acquire = (client = 0) => {
    const waiter = new TestWaiter(client);
    return { waiter, wait: balancer.acquire(waiter) };
  };
  return {
    balancer,
    clock,
    connector,
    metrics,
    released,
    closedPeers,
    endpoint,
    add,
    remove,
    acquire,
  };
}

describe("Balancer", () => {
  test("gives a connection and counts it as the endpoint's load until it ends", () => {
    const { connector, endpoint, add, acquire, metrics } = setup();
    const only = endpoint(1);
    add(only);
    const { waiter } = acquire();
    expect([only.load, metrics.pending.value, metrics.waiters.value]).toEqual([1, 1, 1]);
    connector.last.succeed();
    expect([only.load, metrics.pending.value, metrics.open.value, metrics.waiters.value]).toEqual([
      1, 0, 1, 0,
    ]);
    waiter.connection?.end();
    waiter.connection?.end();
    expect([only.load, metrics.open.value]).toEqual([0, 0]);
  });

  for (const failure of ["refused", "timeout", "unreachable", "tls", "other"] as const) {
    test(`moves to another endpoint at once when a connect fails: ${failure}`, () => {
      const { connector, endpoint, add, acquire } = setup();
      add(endpoint(1), endpoint(2));
      const { waiter } = acquire();
      const { port } = connector.last.target;
      connector.last.fail(failure);
      expect(connector.attempts).toHaveLength(2);
      expect(connector.last.target.port).not.toBe(port);
      connector.last.succeed();
      expect(waiter.connection).toBeDefined();
    });
  }

  test("tries every endpoint once before it waits and begins another round", () => {
    const { clock, connector, endpoint, add, acquire } = setup({ accrual: afterFailures(100) });
    add(...[1, 2, 3, 4].map((id) => endpoint(id)));
    acquire();
    for (let tried = 0; tried < 4; tried += 1) connector.last.fail();
    expect(new Set(connector.attempts.map(({ target }) => target.port)).size).toBe(4);
    expect(connector.attempts).toHaveLength(4);
    clock.advance(20);
    expect(connector.attempts).toHaveLength(5);
  });

  test("keeps one list of what a round has tried, and copies it for no attempt", () => {
    const { balancer, connector, endpoint, add, acquire } = setup({ accrual: afterFailures(100) });
    add(...[1, 2, 3, 4].map((id) => endpoint(id)));
    const connect = spyOn(balancer, "connect");
    acquire();
    for (let tried = 0; tried < 4; tried += 1) connector.last.fail();
    const [first, ...others] = connect.mock.calls.map(([, tried]) => tried);
    expect(first).toEqual([]);
    expect([others.length, new Set(others).size, others[0]?.length]).toEqual([3, 1, 4]);
  });

  test("tries a new endpoint at once, though as many as there are now were tried before", () => {
    const { balancer, connector, endpoint, add, acquire } = setup({ accrual: afterFailures(100) });
    add(endpoint(1), endpoint(2));
    acquire();
    connector.last.fail();
    connector.last.fail();
    const removed = [1, 2].map((id) => ({ id, epoch: 1 }));
    const added = [endpoint(3)];
    balancer.update({ known: true, branches: ALL, added, changed: [], removed });
    expect(connector.last.target.port).toBe(1003);
  });

  test("waits longer between rounds the more of them fail", () => {
    const { clock, connector, endpoint, add, acquire } = setup({ accrual: afterFailures(1000) });
    add(endpoint(1));
    acquire();
    for (let at = 0; at < 10_000; at += 10) {
      const before = connector.attempts.length;
      clock.advance(10);
      if (connector.attempts.length > before) connector.last.fail();
      else if (at === 0) connector.last.fail();
    }
    // 20, 40 ... 1000 ms: some 15 rounds in ten seconds, not a thousand.
    expect(connector.attempts.length).toBeLessThan(25);
    expect(connector.attempts.length).toBeGreaterThan(10);
  });

  test("does not blame an endpoint when descriptors have run out", () => {
    const { connector, endpoint, add, acquire, clock } = setup({ accrual: afterFailures(1) });
    const endpoints = [endpoint(1), endpoint(2)];
    add(...endpoints);
    acquire();
    connector.last.fail("descriptors");
    expect(endpoints.map(({ state }) => state)).toEqual(["ready", "ready"]);
    expect(endpoints.map(({ accrual }) => accrual)).toEqual([undefined, undefined]);
    clock.advance(20);
    expect(connector.attempts).toHaveLength(2);
  });

  test("lets sessions wait while nothing is resolved, and serves them in their order", () => {
    const { connector, endpoint, add, acquire } = setup();
    const first = acquire();
    const second = acquire();
    expect(connector.attempts).toHaveLength(0);
    add(endpoint(1));
    expect(connector.attempts).toHaveLength(2);
    connector.attempts[0]?.succeed();
    expect(first.waiter.connection).toBeDefined();
    expect(second.waiter.connection).toBeUndefined();
  });

  test("refuses at once when the name has no endpoints, also those that wait already", () => {
    const { balancer, acquire, metrics } = setup();
    const early = acquire();
    balancer.update({ known: true, branches: ALL, added: [], changed: [], removed: [] });
    expect(early.waiter.refused).toBe("no_endpoint");
    const late = acquire();
    expect([late.waiter.refused, late.wait]).toEqual(["no_endpoint", undefined]);
    expect(metrics.unavailable.value).toBe(2);
    expect(metrics.waiters.value).toBe(0);
  });

  test("refuses at once what exceeds maxWaiters", () => {
    const { acquire } = setup({ maxWaiters: 2 });
    const waits = [acquire(), acquire(), acquire()];
    expect(waits.map(({ waiter }) => waiter.refused)).toEqual([undefined, undefined, "queue_full"]);
    waits[0]?.wait?.cancel();
    expect(acquire().waiter.refused).toBeUndefined();
  });

  test("aborts the attempt of a session that leaves, and gives its load back", () => {
    const { connector, endpoint, add, acquire, metrics } = setup();
    const only = endpoint(1);
    add(only);
    const { wait, waiter } = acquire();
    wait?.cancel();
    expect(connector.last.aborted).toBe(true);
    expect([only.load, metrics.pending.value, metrics.waiters.value]).toEqual([0, 0, 0]);
    expect([waiter.connection, waiter.refused]).toEqual([undefined, undefined]);
  });

  test("leaves no timer behind when a session leaves between rounds", () => {
    const { clock, connector, endpoint, add, acquire } = setup({ accrual: afterFailures(100) });
    add(endpoint(1));
    const { wait } = acquire();
    connector.last.fail();
    expect(clock.pending).toBe(1);
    wait?.cancel();
    expect(clock.pending).toBe(0);
  });
});

describe("Balancer with failing endpoints", () => {
  test("ejects after maxConsecutiveFailures, probes once after the penalty, readmits", () => {
    const { clock, connector, endpoint, add, acquire } = setup();
    const bad = endpoint(1);
    const good = endpoint(2);
    add(bad, good);
    while (bad.state === "ready") {
      acquire();
      const { port } = connector.last.target;
      if (port === 1001) connector.last.fail();
      connector.last.succeed();
    }
    const tried = connector.attempts.filter(({ target }) => target.port === 1001);
    expect(tried).toHaveLength(3);
    for (let session = 0; session < 50; session += 1) acquire();
    const after = connector.attempts.slice(-50);
    expect(after.every(({ target }) => target.port === 1002)).toBe(true);

    clock.advance(999);
    const before = connector.attempts.length;
    expect(connector.attempts.length).toBe(before);
    clock.advance(1);
    expect(connector.attempts.length).toBe(before + 1);
    expect(connector.last.target.port).toBe(1001);
    clock.advance(100_000);
    expect(connector.attempts.length).toBe(before + 1);
    const probe = connector.last.succeed();
    expect(probe.state).toBe("closed");
    expect<unknown[]>([bad.state, bad.accrual, bad.load]).toEqual(["ready", undefined, 0]);
  });

  test("gives a failed probe another penalty", () => {
    const { clock, connector, endpoint, add, acquire } = setup({ accrual: afterFailures(1) });
    const bad = endpoint(1);
    add(bad, endpoint(2));
    while (bad.state === "ready") {
      acquire();
      if (connector.last.target.port === 1001) connector.last.fail();
    }
    clock.advance(1_000);
    connector.last.fail();
    expect(bad.state).toBe("ejected");
    const before = connector.attempts.length;
    clock.advance(999);
    expect(connector.attempts.length).toBe(before);
    clock.advance(1);
    expect(connector.attempts.length).toBe(before + 1);
  });

  test("never ejects the last endpoint, and tries the ejected one when a client has nothing else", () => {
    const { clock, connector, endpoint, add, acquire, metrics } = setup({
      accrual: afterFailures(1),
    });
    const endpoints = [endpoint(1), endpoint(2)];
    add(...endpoints);
    const { waiter } = acquire();
    connector.last.fail();
    connector.last.fail();
    expect(endpoints.map(({ state }) => state).sort()).toEqual(["ejected", "ready"]);
    expect(metrics.panic.value).toBe(0);
    clock.advance(20);
    const first = connector.last.target.port;
    connector.last.fail();
    expect(connector.last.target.port).not.toBe(first);
    connector.last.succeed();
    expect(waiter.connection).toBeDefined();
    expect(endpoints.map(({ state }) => state)).toEqual(["ready", "ready"]);
  });

  test("panics when the rest is not healthy: tries the ejected one, and readmits it when it answers", () => {
    const { balancer, connector, endpoint, add, acquire, metrics } = setup({
      accrual: afterFailures(1),
    });
    const endpoints = [endpoint(1), endpoint(2)];
    add(...endpoints);
    acquire();
    connector.last.fail();
    const ejected = endpoints.find(({ state }) => state === "ejected");
    const other = endpoints.find(({ state }) => state === "ready");
    const changed = [{ ...UP, id: other?.id ?? 0, weight: 1, healthy: false }];
    balancer.update({ known: true, branches: ALL, added: [], changed, removed: [] });
    expect(metrics.panic.value).toBe(1);
    const { waiter } = acquire();
    connector.last.succeed();
    expect(waiter.connection?.endpoint).toBe(ejected);
    expect([ejected?.state, metrics.panic.value]).toEqual(["ready", 0]);
  });

  test("forgets failures after a success", () => {
    const { connector, endpoint, add, acquire } = setup({ accrual: afterFailures(2) });
    const endpoints = [endpoint(1), endpoint(2)];
    add(...endpoints);
    const failed = new Map<number, number>();
    for (let round = 0; round < 50; round += 1) {
      const { wait } = acquire();
      const { port } = connector.last.target;
      // Each second time.
      failed.set(port, (failed.get(port) ?? 0) + 1);
      if ((failed.get(port) ?? 0) % 2 === 1) connector.last.fail();
      else connector.last.succeed();
      wait?.cancel();
    }
    expect([...failed.values()].every((times) => times > 5)).toBe(true);
    expect(endpoints.map(({ state }) => state)).toEqual(["ready", "ready"]);
  });
});

describe("Balancer with changing endpoints", () => {
  test("applies a weight to a living endpoint without losing its load", () => {
    const { balancer, connector, endpoint, add, acquire } = setup();
    const [one, two] = [endpoint(1), endpoint(2, 0)];
    add(one, two);
    for (let session = 0; session < 10; session += 1) {
      acquire();
      connector.last.succeed();
    }
    expect([one.load, two.load]).toEqual([10, 0]);
    const changed = [
      { ...UP, id: 1, weight: 0 },
      { ...UP, id: 2, weight: 5 },
    ];
    balancer.update({ known: true, branches: ALL, added: [], changed, removed: [] });
    for (let session = 0; session < 10; session += 1) acquire();
    expect([one.load, two.load]).toEqual([10, 10]);
  });

  test.each(["healthy", "enabled"] as const)(
    "gives an endpoint that is not %s no connections until it is again",
    (condition) => {
      const { balancer, connector, endpoint, add, acquire } = setup();
      const [one, two] = [endpoint(1), endpoint(2)];
      add(one, two);
      const change = (value: boolean) =>
        balancer.update({
          known: true,
          branches: ALL,
          added: [],
          changed: [{ ...UP, id: 1, weight: 1, [condition]: value }],
          removed: [],
        });
      change(false);
      for (let session = 0; session < 10; session += 1) {
        acquire();
        connector.last.succeed();
      }
      expect([one.load, two.load]).toEqual([0, 10]);
      change(true);
      for (let session = 0; session < 10; session += 1) acquire();
      expect([one.load, two.load]).toEqual([10, 10]);
    },
  );

  test("lets sessions wait while no endpoint may be picked, and serves them when one may", () => {
    const { balancer, connector, endpoint, add, acquire } = setup();
    add(endpoint(1));
    const change = (enabled: boolean) =>
      balancer.update({
        known: true,
        branches: ALL,
        added: [],
        changed: [{ ...UP, id: 1, weight: 1, enabled }],
        removed: [],
      });
    change(false);
    const { waiter } = acquire();
    expect([connector.attempts.length, waiter.refused]).toEqual([0, undefined]);
    change(true);
    connector.last.succeed();
    expect(waiter.connection?.endpoint.id).toBe(1);
  });

  test("keeps a removed endpoint until its last connection ends, then releases it", () => {
    const { connector, endpoint, add, remove, acquire, released } = setup();
    add(endpoint(1), endpoint(2, 0));
    const { waiter } = acquire();
    connector.last.succeed();
    remove(1, 7);
    expect(released).toEqual([]);
    expect(acquire().waiter.refused).toBe("no_endpoint");
    waiter.connection?.end();
    expect(released).toEqual([[1, 7]]);
  });

  test("releases a removed endpoint without connections at once", () => {
    const { endpoint, add, remove, released } = setup();
    add(endpoint(1));
    remove(1, 3);
    expect(released).toEqual([[1, 3]]);
  });

  test("takes an endpoint back with its load when it returns", () => {
    const { balancer, connector, endpoint, add, remove, acquire, released } = setup();
    add(endpoint(1));
    const { waiter } = acquire();
    connector.last.succeed();
    remove(1);
    const known = balancer.find(1);
    if (known === undefined) throw new Error("forgotten");
    add(known);
    expect([known.load, known.state]).toEqual([1, "ready"]);
    waiter.connection?.end();
    expect(released).toEqual([]);
  });

  /** A session that has tried endpoints 1 and 2 in vain, and pauses; 3 has no weight, 4 is in a branch without. */
  function pausing() {
    const world = setup({ accrual: afterFailures(100) });
    const { balancer, connector, endpoint, acquire } = world;
    const [one, two, three] = [endpoint(1), endpoint(2), endpoint(3, 0)];
    const four = endpoint(4, 1, 1);
    const base = { known: true, branches: SPLIT, added: [], changed: [], removed: [] };
    balancer.update({ ...base, added: [one, two, three, four] });
    const { waiter } = acquire();
    connector.last.fail();
    connector.last.fail();
    expect(connector.attempts).toHaveLength(2);
    return { ...world, waiter, base };
  }

  test("leaves sessions in their pauses when a change brings nothing new to try", () => {
    const { balancer, connector, clock, base } = pausing();
    balancer.update(base);
    balancer.update({ ...base, changed: [{ ...UP, id: 1, weight: 5 }] });
    balancer.update({ ...base, changed: [{ ...UP, id: 3, weight: 0 }] });
    balancer.update({ ...base, removed: [{ id: 2, epoch: 1 }] });
    expect(connector.attempts).toHaveLength(2);
    clock.advance(20);
    expect(connector.attempts).toHaveLength(3);
  });

  for (const [change, part] of [
    ["an endpoint is added", "added"],
    ["an endpoint gets weight that had none", "changed"],
    ["a branch gets weight that had none", "branches"],
  ] as const) {
    test(`ends the pauses of sessions when ${change}`, () => {
      const { balancer, connector, endpoint, base } = pausing();
      const parts = {
        added: { added: [endpoint(5)] },
        changed: { changed: [{ ...UP, id: 3, weight: 1 }] },
        branches: { branches: SPLIT.map(({ branch }) => ({ branch, weight: 1 })) },
      };
      balancer.update({ ...base, ...parts[part] });
      expect(connector.attempts).toHaveLength(3);
    });
  }

  test("refuses sessions in their pauses at once when no endpoint is left", () => {
    const { balancer, waiter, base } = pausing();
    const removed = [1, 2, 3, 4].map((id) => ({ id, epoch: 1 }));
    balancer.update({ ...base, removed });
    expect(waiter.refused).toBe("no_endpoint");
  });

  test("does not probe an endpoint that was removed", () => {
    const { clock, connector, endpoint, add, remove, acquire } = setup({
      accrual: afterFailures(1),
    });
    const endpoints = [endpoint(1), endpoint(2)];
    add(...endpoints);
    const { wait } = acquire();
    connector.last.fail();
    wait?.cancel();
    const ejected = endpoints.find(({ state }) => state === "ejected");
    expect(ejected).toBeDefined();
    const before = connector.attempts.length;
    remove(ejected?.id ?? 0);
    clock.advance(10_000);
    expect(connector.attempts).toHaveLength(before);
    expect(clock.pending).toBe(0);
  });

  test("lets endpoints that join a name, or are well again, begin with a small weight", () => {
    const { balancer, clock, endpoint, add, metrics } = setup({
      slowStart: { windowMs: 10_000, minShare: 0.1 },
    });
    const [one, two] = [endpoint(1), endpoint(2)];
    add(one);
    clock.advance(10_000);
    add(two);
    expect([one.weight, two.weight, metrics.ejection.warming.value]).toEqual([1, 0.1, 1]);
    clock.advance(10_000);
    expect([two.weight, clock.pending]).toEqual([1, 0]);
    const change = (healthy: boolean) => {
      const changed = [{ ...UP, id: 1, weight: 1, healthy }];
      balancer.update({ known: true, branches: ALL, added: [], changed, removed: [] });
    };
    change(false);
    expect([one.weight, clock.pending]).toEqual([1, 0]);
    change(true);
    expect([one.weight, metrics.ejection.warming.value]).toEqual([0.1, 1]);
    clock.advance(1_000);
    change(false);
    expect([one.weight, metrics.ejection.warming.value, clock.pending]).toEqual([1, 0, 0]);
  });

  test("ends the waits of sessions when panic lets unhealthy endpoints be tried", () => {
    const { balancer, connector, endpoint, add, acquire, metrics } = setup({
      panicThresholdPercent: 50,
    });
    const off = { ...UP, weight: 1, enabled: false };
    const base = { known: true, branches: ALL, added: [], removed: [] };
    add(endpoint(1), endpoint(2));
    balancer.update({
      ...base,
      changed: [
        { ...off, id: 1, healthy: false },
        { ...off, id: 2 },
      ],
    });
    const { waiter } = acquire();
    expect([connector.attempts.length, waiter.refused]).toEqual([0, undefined]);
    balancer.update({ ...base, changed: [{ ...UP, id: 1, weight: 1, healthy: false }] });
    connector.last.succeed();
    expect([waiter.connection?.endpoint.id, metrics.panic.value]).toEqual([1, 1]);
  });
});

describe("Balancer whose connections to an endpoint are cut", () => {
  test("gives up the attempt of one who waits, who gets another endpoint", () => {
    const { balancer, connector, endpoint, add, acquire } = setup();
    const [a, b] = [endpoint(1), endpoint(2)];
    add(a, b);
    const { waiter } = acquire();
    const [first] = connector.attempts;
    const cut = first?.target.port === a.target.port ? a : b;
    const changed = [{ id: cut.id, weight: 1, healthy: false, enabled: true }];
    balancer.update({ known: true, branches: ALL, added: [], changed, removed: [] });
    expect(first?.aborted).toBe(false);
    balancer.cut(new Set([cut.id]));
    expect([first?.aborted, cut.load, connector.attempts.length]).toEqual([true, 0, 2]);
    connector.last.succeed();
    expect(waiter.connection?.endpoint).toBe(cut === a ? b : a);
  });

  test("leaves those alone who wait for another one, and lets those wait who have no other", () => {
    const { balancer, connector, endpoint, add, acquire, metrics } = setup();
    add(endpoint(1));
    const { waiter } = acquire();
    balancer.cut(new Set([2]));
    expect(connector.last.aborted).toBe(false);
    const changed = [{ id: 1, weight: 1, healthy: false, enabled: true }];
    balancer.update({ known: true, branches: ALL, added: [], changed, removed: [] });
    balancer.cut(new Set([1]));
    expect([connector.last.aborted, waiter.refused, metrics.waiters.value]).toEqual([
      true,
      undefined,
      1,
    ]);
    balancer.update({
      known: true,
      branches: ALL,
      added: [],
      changed: [{ id: 1, weight: 1, ...UP }],
      removed: [],
    });
    connector.last.succeed();
    expect(waiter.connection).toBeDefined();
  });
});

describe("Balancer with minConnections", () => {
  test("connects ahead, hands connections out, and makes new ones in their place", () => {
    const { connector, endpoint, add, acquire, metrics } = setup({ minConnections: 2 });
    add(endpoint(1));
    expect(connector.attempts).toHaveLength(2);
    for (const attempt of connector.attempts) attempt.succeed();
    expect(metrics.warm.value).toBe(2);
    const { waiter, wait } = acquire();
    expect(waiter.connection).toBeDefined();
    expect(wait).toBeUndefined();
    expect(connector.attempts).toHaveLength(3);
    expect(metrics.warm.value).toBe(1);
  });

  test("keeps what an endpoint says first and gives it to the session", () => {
    const { connector, endpoint, add, acquire } = setup({ minConnections: 1 });
    add(endpoint(1));
    const socket = connector.last.succeed();
    socket.receive("220 ready\r\n");
    expect(socket.paused).toBe(false);
    expect(acquire().waiter.early).toBe("220 ready\r\n");
  });

  test("stops reading from an endpoint that goes on talking before there is a client", () => {
    const { connector, endpoint, add } = setup({ minConnections: 1 });
    add(endpoint(1));
    const socket = connector.last.succeed();
    socket.receive("x".repeat(65_535));
    expect(socket.paused).toBe(false);
    socket.receive("x");
    expect(socket.paused).toBe(true);
  });

  test("drops a connection that its endpoint closes, and replaces it after a while", () => {
    const { clock, connector, endpoint, add, acquire, metrics } = setup({ minConnections: 1 });
    add(endpoint(1));
    const socket = connector.last.succeed();
    socket.receiveEnd();
    expect([socket.state, metrics.warm.value, metrics.open.value]).toEqual(["closed", 0, 0]);
    expect(connector.attempts).toHaveLength(1);
    clock.advance(100);
    expect(connector.attempts).toHaveLength(2);
    expect(acquire().waiter.connection).toBeUndefined();
  });

  test("does not hand out a connection whose peer has closed unnoticed", () => {
    const { connector, endpoint, add, acquire, closedPeers } = setup({ minConnections: 1 });
    add(endpoint(1));
    const socket = connector.last.succeed();
    closedPeers.add(socket);
    const { waiter } = acquire();
    expect(waiter.connection).toBeUndefined();
    expect(socket.state).toBe("closed");
    connector.last.succeed();
    expect(waiter.connection).toBeDefined();
  });

  test("closes warm connections to an endpoint that is removed", () => {
    const { connector, endpoint, add, remove, released } = setup({ minConnections: 1 });
    add(endpoint(1));
    const socket = connector.last.succeed();
    remove(1, 4);
    expect(socket.state).toBe("closed");
    expect(released).toEqual([[1, 4]]);
  });

  test("keeps none of an endpoint that turns unhealthy, neither those that stand nor those being made", () => {
    const { balancer, connector, endpoint, add, metrics } = setup({ minConnections: 2 });
    add(endpoint(1));
    const socket = connector.attempts[0]?.succeed();
    const changed = [{ id: 1, weight: 1, healthy: false, enabled: true }];
    balancer.update({ known: true, branches: ALL, added: [], changed, removed: [] });
    expect(socket?.state).toBe("closed");
    expect(connector.attempts[1]?.aborted).toBe(true);
    expect([metrics.warm.value, metrics.pending.value, metrics.open.value]).toEqual([0, 0, 0]);
    balancer.update({
      known: true,
      branches: ALL,
      added: [],
      changed: [{ id: 1, weight: 1, ...UP }],
      removed: [],
    });
    expect(connector.attempts).toHaveLength(4);
  });

  test("ends all of them and all timers when it stops idling", () => {
    const { balancer, clock, connector, endpoint, add } = setup({ minConnections: 2 });
    add(endpoint(1));
    const socket = connector.last.succeed();
    balancer.stopIdling();
    expect(socket.state).toBe("closed");
    expect(connector.attempts[0]?.aborted).toBe(true);
    expect(clock.pending).toBe(0);
  });
});
