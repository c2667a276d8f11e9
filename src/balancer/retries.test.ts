// Retries as a whole: budget, rounds and those who wait, for one destination on one worker.
import { describe, expect, test } from "bun:test";
import { afterFailures } from "../../test/support/accrual-config.ts";
import fc from "fast-check";
import { balancerScene, type SceneWaiter } from "../../test/support/balancer-scene.ts";
import type { FakeClock } from "../../test/support/fake-clock.ts";
import type { FakeConnector } from "../../test/support/fake-sockets.ts";

/** Decides what is attempted: only the endpoint at one port, `serving`, serves. */
function deciding({ attempts }: FakeConnector, clock: FakeClock) {
  let decided = 0;
  const settle = (serving: number): void => {
    for (; decided < attempts.length; decided += 1) {
      const attempt = attempts[decided];
      if (attempt?.target.port === serving) attempt.succeed();
      else attempt?.fail();
    }
  };
  const pass = (ms: number, serving: number): void => {
    for (let passedMs = 0; passedMs < ms; passedMs += 10) {
      settle(serving);
      clock.advance(10);
    }
  };
  return { settle, pass };
}

describe("Balancer's retries", () => {
  test("are as many as the budget allows when every endpoint is dead, whatever the number of clients", () => {
    const { clock, first } = balancerScene({ endpoints: 4 });
    const { attempts } = first.connector;
    for (let client = 0; client < 2_000; client += 1) first.acquire();
    let decided = 0;
    const perSecond: number[] = [];
    for (let second = 0; second < 9; second += 1) {
      const before = attempts.length;
      for (let ms = 0; ms < 1_000; ms += 10) {
        for (; decided < attempts.length; decided += 1) attempts[decided]?.fail();
        clock.advance(10);
      }
      perSecond.push(attempts.length - before);
    }
    // All begin at once: 2,000 first attempts were made before, 0.2 retries for each of them follow, and the reserve.
    expect(perSecond[0]).toBeLessThanOrEqual(400 + 10 + 10);
    for (const count of perSecond.slice(1)) expect(count).toBeLessThanOrEqual(11);
    expect(attempts.length).toBeLessThanOrEqual(2_400 + 10 + 90);
    expect(attempts.length).toBeGreaterThan(2_400 + 80);
    expect(first.metrics.retries.value).toBe(attempts.length - 2_000);
    expect(first.metrics.waiters.value).toBe(2_000);
  });

  test("lose no client that another endpoint can serve, though the budget is small", () => {
    // Ejection as by default; a dead endpoint that is not ejected looks idle and draws attempts.
    const settings = { accrual: afterFailures(5) };
    const { clock, first } = balancerScene({ endpoints: 4, settings });
    const { attempts } = first.connector;
    const clients = Array.from({ length: 500 }, () => first.acquire());
    let decided = 0;
    const settle = (): void => {
      for (; decided < attempts.length; decided += 1) {
        const attempt = attempts[decided];
        if (attempt?.target.port === 1003) attempt.succeed();
        else attempt?.fail();
      }
    };
    for (let ms = 0; ms < 10_000 && first.metrics.waiters.value > 0; ms += 10) {
      settle();
      clock.advance(10);
    }
    expect(clients.filter(({ connection }) => connection === undefined)).toHaveLength(0);
    const vain = attempts.length - 500;
    expect(vain).toBeLessThanOrEqual(500 + 100 + 10 + 10);
    // Only the probes of those that were ejected.
    expect(clock.pending).toBe(3);
  });

  test("go first-in first-out among those that wait for the budget", () => {
    const { clock, first } = balancerScene({
      endpoints: 2,
      settings: { retryBudget: { minRetriesPerSec: 10, percentCanRetry: 0, ttlMs: 1_000 } },
    });
    const { attempts } = first.connector;
    const order: number[] = [];
    const clients = Array.from({ length: 30 }, () => first.acquire());
    for (const attempt of attempts.slice(0, 30)) attempt.fail();
    let decided = 30;
    for (let ms = 0; ms < 5_000; ms += 10) {
      for (; decided < attempts.length; decided += 1) {
        const before = clients.map(({ connection }) => connection);
        attempts[decided]?.succeed();
        order.push(clients.findIndex((client, at) => client.connection !== before[at]));
      }
      clock.advance(10);
    }
    expect(order).toEqual(clients.map((_, index) => index));
  });

  test("reach an endpoint that came back while they waited, though they have tried it before", () => {
    const { clock, first } = balancerScene({
      endpoints: 2,
      settings: {
        accrual: afterFailures(1),
        retryBudget: { minRetriesPerSec: 10, percentCanRetry: 0, ttlMs: 1_000 },
      },
    });
    const { pass } = deciding(first.connector, clock);
    const clients = Array.from({ length: 1_000 }, () => first.acquire());
    pass(3_000, 0);
    pass(2_000, 1_001);
    expect(clients.filter(({ connection }) => connection === undefined)).toHaveLength(0);
    // They come through one by one behind each token, not at the rate at which tokens come.
    expect(first.metrics.retryQueue.queued.value).toBeGreaterThan(900);
  });

  test("reach the one endpoint that is not ejected once it serves again, though all who wait have tried it", () => {
    const { clock, first } = balancerScene({
      endpoints: 3,
      settings: {
        accrual: afterFailures(5),
        retryBudget: { minRetriesPerSec: 5, percentCanRetry: 0, ttlMs: 1_000 },
      },
    });
    const { settle, pass } = deciding(first.connector, clock);
    const clients = Array.from({ length: 1_000 }, () => {
      const client = first.acquire();
      settle(0);
      return client;
    });
    // Long enough for those who tried the others first, and so short that most have had no turn at all.
    pass(10_000, 0);
    const [last, ...others] = first.endpoints.filter(({ state }) => state === "ready");
    expect([last?.accrual?.withheld, others]).toEqual(["connect", []]);
    pass(2_000, last?.target.port ?? 0);
    expect(clients.filter(({ connection }) => connection === undefined)).toHaveLength(0);
  });

  test("are not counted where descriptors have run out", () => {
    const { clock, first } = balancerScene({
      endpoints: 1,
      settings: { retryBudget: { minRetriesPerSec: 0, percentCanRetry: 1, ttlMs: 60_000 } },
    });
    first.acquire();
    for (let round = 0; round < 10; round += 1) {
      first.connector.last.fail("descriptors");
      clock.advance(1_000);
    }
    expect(first.connector.attempts).toHaveLength(11);
  });

  test("end at once with a refusal where no endpoint is left, also for those that wait for the budget", () => {
    const { clock, first } = balancerScene({
      endpoints: 2,
      settings: { retryBudget: { minRetriesPerSec: 0, percentCanRetry: 0, ttlMs: 1_000 } },
    });
    const client = first.acquire();
    first.connector.last.fail();
    expect(first.metrics.retryQueue.queued.value).toBe(1);
    first.update({ removed: [0, 1] });
    clock.advance(1_000);
    expect(client.refused).toBe("no_endpoint");
    expect([clock.pending, first.metrics.waiters.value]).toEqual([0, 0]);
  });

  test("leave nothing behind when their clients leave", () => {
    const { clock, first } = balancerScene({ endpoints: 3 });
    const clients = Array.from({ length: 200 }, () => first.acquire());
    for (const attempt of first.connector.attempts.slice()) attempt.fail();
    expect(clock.pending).toBeGreaterThan(0);
    for (const { wait } of clients) wait?.cancel();
    expect(clock.pending).toBe(0);
    const attempts = first.connector.attempts.length;
    clock.advance(60_000);
    expect(first.connector.attempts).toHaveLength(attempts);
  });

  test("in vain stay within the budget in any window of time, whatever clients and endpoints do", () => {
    const step = fc.record({
      clients: fc.nat(12),
      leaving: fc.nat(3),
      pauseMs: fc.oneof(fc.nat(20), fc.nat(400), fc.nat(12_000)),
      serving: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { clock, first } = balancerScene({ endpoints: 3 });
        const { attempts } = first.connector;
        const waiting: SceneWaiter[] = [];
        const vain: number[] = [];
        const good: number[] = [];
        const arrivals: number[] = [];
        let decided = 0;
        for (const { clients, leaving, pauseMs, serving } of steps) {
          for (let client = 0; client < clients; client += 1) {
            waiting.push(first.acquire());
            arrivals.push(clock.now());
          }
          for (const { wait } of waiting.splice(0, leaving)) wait?.cancel();
          for (let ms = 0; ms <= pauseMs; ms += 10) {
            for (; decided < attempts.length; decided += 1) {
              const attempt = attempts[decided];
              if (attempt?.aborted === true) continue;
              const serves = attempt?.target.port === 999 + serving;
              (serves ? good : vain).push(clock.now());
              if (serves) attempt.succeed();
              else attempt?.fail();
            }
            clock.advance(10);
          }
        }
        for (const fromMs of vain) {
          const toMs = fromMs + 1_000;
          const made = vain.filter((at) => at >= fromMs && at < toMs).length;
          const fresh = arrivals.filter((at) => at >= fromMs - 10 && at < toMs).length;
          const recent = arrivals.filter((at) => at >= fromMs - 10_000 && at < toMs).length;
          // Those that come through in that time give tokens back.
          const served = good.filter((at) => at >= fromMs && at < toMs).length;
          expect(made).toBeLessThanOrEqual(fresh + 0.2 * recent + 10 + 10 + served + 2);
        }
      }),
      { numRuns: 60 },
    );
  });
});
