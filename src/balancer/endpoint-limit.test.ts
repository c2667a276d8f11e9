import { describe, expect, test } from "bun:test";
import { afterFailures } from "../../test/support/accrual-config.ts";
import fc from "fast-check";
import {
  balancerScene,
  type SceneWaiter,
  type SceneWorker,
} from "../../test/support/balancer-scene.ts";

const LIMIT_2 = { maxConnectionsPerEndpoint: 2 };

function served(waiters: readonly SceneWaiter[]): boolean[] {
  return waiters.map(({ connection }) => connection !== undefined);
}

function open(worker: SceneWorker, count: number): SceneWaiter[] {
  return Array.from({ length: count }, () => worker.open());
}

/** Lets all attempts that wait for an answer succeed. */
function succeedFrom(worker: SceneWorker, attempts: number): void {
  for (const attempt of worker.connector.attempts.slice(attempts)) attempt.succeed();
}

describe("Balancer with limited endpoints", () => {
  test("gives an endpoint no more than its limit, those being made included", () => {
    const { first } = balancerScene({ endpoints: 3, settings: LIMIT_2 });
    open(first, 3);
    for (let client = 0; client < 10; client += 1) first.acquire();
    expect(first.endpoints.map(({ load }) => load)).toEqual([2, 2, 2]);
    expect(first.connector.attempts).toHaveLength(6);
    expect([first.metrics.waiters.value, first.metrics.placeQueue.queued.value]).toEqual([10, 7]);
  });

  test("serves those who wait first-in first-out, at once when a connection ends", () => {
    const { first, clock } = balancerScene({ endpoints: 1, settings: LIMIT_2 });
    const holders = open(first, 2);
    const waiters = Array.from({ length: 20 }, () => first.acquire());
    const order: number[] = [];
    for (const holder of [...holders, ...waiters.slice(0, 18)]) {
      const before = served(waiters);
      holder.end();
      first.connector.last.succeed();
      order.push(served(waiters).findIndex((is, at) => is !== before[at]));
    }
    expect(order).toEqual(waiters.map((_, index) => index));
    expect([clock.pending, first.metrics.waiters.value]).toEqual([0, 0]);
  });

  test("lets nobody who comes later take the place of one that waits", () => {
    const { first } = balancerScene({ endpoints: 1, settings: LIMIT_2 });
    const [holder] = open(first, 2);
    const early = first.acquire();
    holder?.end();
    const late = first.acquire();
    succeedFrom(first, 2);
    expect([served([early, late]), first.connector.attempts.length]).toEqual([[true, false], 3]);
  });

  test("refuses what exceeds maxWaiters, and forgets those who leave", () => {
    const { first, clock } = balancerScene({
      endpoints: 1,
      settings: { ...LIMIT_2, maxWaiters: 2 },
    });
    const [holder] = open(first, 2);
    const [one, two, three] = [first.acquire(), first.acquire(), first.acquire()];
    expect(three?.refused).toBe("queue_full");
    one?.wait?.cancel();
    holder?.end();
    succeedFrom(first, 2);
    expect(served([one, two])).toEqual([false, true]);
    expect(clock.pending).toBe(0);
  });

  test("gives the place of an attempt that failed, or whose client left, to the next", () => {
    const { first } = balancerScene({ endpoints: 1, settings: { maxConnectionsPerEndpoint: 1 } });
    const failing = first.acquire();
    const [second, third] = [first.acquire(), first.acquire()];
    first.connector.last.fail();
    expect(first.connector.attempts).toHaveLength(2);
    second.wait?.cancel();
    expect(first.connector.attempts).toHaveLength(3);
    first.connector.last.succeed();
    expect(served([failing, second, third])).toEqual([false, false, true]);
    expect(first.endpoints[0]?.slots?.held).toBe(1);
  });

  test("passes over a full endpoint for one with room, and tries no ejected one instead of waiting", () => {
    const { first } = balancerScene({
      endpoints: 2,
      settings: { maxConnectionsPerEndpoint: 3, accrual: afterFailures(1) },
    });
    const [dead, good] = first.endpoints;
    while (dead?.state === "ready") {
      const waiter = first.acquire();
      if (first.connector.last.target.port === 1000) first.connector.last.fail();
      first.connector.last.succeed();
      waiter.end();
    }
    open(first, 3);
    expect(good?.load).toBe(3);
    const attempts = first.connector.attempts.length;
    first.acquire();
    expect(first.connector.attempts).toHaveLength(attempts);
    expect(first.metrics.panic.value).toBe(0);
  });

  test("lets those who wait try an endpoint that has come back", () => {
    const { first, clock } = balancerScene({
      endpoints: 2,
      settings: { maxConnectionsPerEndpoint: 3, accrual: afterFailures(1) },
    });
    const [dead] = first.endpoints;
    while (dead?.state === "ready") {
      const waiter = first.acquire();
      if (first.connector.last.target.port === 1000) first.connector.last.fail();
      first.connector.last.succeed();
      waiter.end();
    }
    open(first, 3);
    const waiter = first.acquire();
    const before = first.connector.attempts.length;
    clock.advance(1_000);
    // The probe, though the endpoint's limit says nothing of it.
    expect(first.connector.attempts).toHaveLength(before + 1);
    first.connector.last.succeed();
    clock.advance(15);
    first.connector.last.succeed();
    expect(waiter.connection?.endpoint).toBe(dead);
    expect(dead?.slots?.held).toBe(1);
  });

  test("counts connections of an endpoint that went and came back", () => {
    const { first } = balancerScene({ endpoints: 1, settings: LIMIT_2 });
    const holders = open(first, 2);
    const waiter = first.acquire();
    first.update({ removed: [0] });
    expect(waiter.refused).toBe("no_endpoint");
    first.update({ added: first.endpoints });
    const next = first.acquire();
    expect(first.connector.attempts).toHaveLength(2);
    for (const holder of holders) holder.end();
    succeedFrom(first, 2);
    expect(served([next])).toEqual([true]);
  });

  test("counts warm connections, and makes them after those who wait are served", () => {
    const { first, clock } = balancerScene({
      endpoints: 1,
      settings: { ...LIMIT_2, minConnections: 1 },
    });
    succeedFrom(first, 0);
    const one = first.acquire();
    succeedFrom(first, 1);
    const two = first.acquire();
    const waiter = first.acquire();
    expect([...served([one, two, waiter]), first.endpoints[0]?.load]).toEqual([
      true,
      true,
      false,
      2,
    ]);
    one.end();
    expect(first.connector.attempts).toHaveLength(3);
    succeedFrom(first, 2);
    expect(served([waiter])).toEqual([true]);
    two.end();
    clock.advance(200);
    expect([first.connector.attempts.length, first.metrics.pending.value]).toEqual([4, 1]);
  });

  test("ends with no place held and no timer, whatever sessions and endpoints do", () => {
    const action = fc.record({
      kind: fc.constantFrom("acquire", "succeed", "fail", "end", "cancel", "wait"),
      at: fc.nat(1_000),
      worker: fc.nat(1),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120 }), (actions) => {
        const { workers, clock } = balancerScene({ workers: 2, endpoints: 3, settings: LIMIT_2 });
        const waiters: SceneWaiter[] = [];
        const decided = new Set<unknown>();
        const undecided = (worker: SceneWorker) =>
          worker.connector.attempts.filter((attempt) => !attempt.aborted && !decided.has(attempt));
        for (const { kind, at, worker: index } of actions) {
          const worker = workers[index] as SceneWorker;
          const attempt = undecided(worker)[at % Math.max(1, undecided(worker).length)];
          const waiter = waiters[at % Math.max(1, waiters.length)];
          if (kind === "acquire") waiters.push(worker.acquire());
          if (kind === "succeed" || kind === "fail") decided.add(attempt);
          if (kind === "succeed") attempt?.succeed();
          if (kind === "fail") attempt?.fail();
          if (kind === "end") waiter?.end();
          if (kind === "cancel" && waiter?.connection === undefined) waiter?.wait?.cancel();
          if (kind === "wait") clock.advance(at);
          const held = worker.endpoints.map(({ slots }) => slots?.held ?? 9);
          expect(held).toEqual(worker.endpoints.map(({ load }) => load));
          expect(Math.max(...held)).toBeLessThanOrEqual(2);
        }
        for (const waiter of waiters) {
          if (waiter.connection === undefined) waiter.wait?.cancel();
          waiter.end();
        }
        for (const { endpoints } of workers)
          expect(endpoints.map(({ slots }) => slots?.held)).toEqual([0, 0, 0]);
        expect(clock.pending).toBe(0);
      }),
    );
  });
});

describe("Balancers of two workers with limited endpoints", () => {
  test("give an endpoint no more than its limit together", () => {
    const { workers } = balancerScene({ workers: 2, endpoints: 1, settings: LIMIT_2 });
    const [one, two] = workers as [SceneWorker, SceneWorker];
    const opened = [one.open(), two.open(), one.open(), two.open()];
    expect(served(opened)).toEqual([true, true, false, false]);
    expect(one.endpoints[0]?.load).toBe(2);
  });

  test("notice within 20 ms what the other has left", () => {
    const { workers, clock } = balancerScene({ workers: 2, endpoints: 5, settings: LIMIT_2 });
    const [one, two] = workers as [SceneWorker, SceneWorker];
    const holders = open(one, 10);
    const waiter = two.acquire();
    clock.advance(1_000);
    expect(two.connector.attempts).toHaveLength(0);
    holders[7]?.end();
    clock.advance(20);
    two.connector.last.succeed();
    expect(served([waiter])).toEqual([true]);
    expect(clock.pending).toBe(0);
  });

  test("notice what the other has left also when nobody waited then", () => {
    const { workers, clock } = balancerScene({ workers: 2, endpoints: 1, settings: LIMIT_2 });
    const [one, two] = workers as [SceneWorker, SceneWorker];
    const holders = open(one, 2);
    two.acquire().wait?.cancel();
    for (const holder of holders) holder.end();
    clock.advance(60_000);
    expect(served([two.open()])).toEqual([true]);
  });

  test("share places: a busy one does not keep all for itself", () => {
    const { workers, clock } = balancerScene({ workers: 2, endpoints: 1, settings: LIMIT_2 });
    const [busy, other] = workers as [SceneWorker, SceneWorker];
    const clients = [busy.open(), busy.open()];
    const waiters = Array.from({ length: 10 }, () => other.acquire());
    const decided = new Map([[busy, 2]]);
    for (let ms = 0; ms < 3_000; ms += 10) {
      // Connections last 10 ms, and there is always somebody who waits.
      while (busy.metrics.waiters.value < 20) clients.push(busy.acquire());
      for (const client of [...clients, ...waiters]) client.end();
      for (const worker of workers) {
        succeedFrom(worker, decided.get(worker) ?? 0);
        decided.set(worker, worker.connector.attempts.length);
      }
      clock.advance(10);
    }
    expect(served(waiters)).toEqual(waiters.map(() => true));
    // It costs the busy one a pause now and then.
    expect(busy.connector.attempts.length).toBeGreaterThan(200);
  });
});
