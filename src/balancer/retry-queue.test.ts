import { describe, expect, spyOn, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { BalancerMetrics } from "./metrics.ts";
import { type Retrier, RetryQueue } from "./retry-queue.ts";

/** Names of those whose turn it was, in their order. Each uses its token unless it is said to need none. */
function setup(minRetriesPerSec = 10, percentCanRetry = 0.2) {
  const clock = new FakeClock();
  const metrics = new BalancerMetrics(new Registry(() => {}), "rt", "/svc/web");
  const warnings: unknown[] = [];
  const queue = new RetryQueue({
    settings: { minRetriesPerSec, percentCanRetry, ttlMs: 10_000 },
    clock,
    metrics: metrics.retryQueue,
    made: metrics.retries,
    log: { ...silentLogger, warn: (_message, fields) => void warnings.push(fields?.()) },
  });
  const turns: string[] = [];
  const unneeded = new Set<string>();
  const retrier = (name: string): Retrier => ({
    onRetryTurn() {
      turns.push(name);
      if (unneeded.has(name)) queue.giveBack();
    },
  });
  const spend = () => {
    while (queue.balance > 0) queue.take(retrier("spent"));
  };
  return { clock, metrics, warnings, queue, turns, unneeded, retrier, spend };
}

describe("RetryQueue", () => {
  test("lets those wait who come when the budget is spent, and has one timer for all of them", () => {
    const { clock, metrics, queue, turns, retrier, spend } = setup();
    spend();
    expect(clock.pending).toBe(0);
    const names = Array.from({ length: 25 }, (_, index) => `r${index}`);
    for (const name of names) expect(queue.take(retrier(name))).toBe(false);
    expect(clock.pending).toBe(1);
    for (let ms = 0; ms < 1_000; ms += 1) {
      clock.advance(1);
      expect(clock.pending).toBe(1);
    }
    // 10 a second, in their order, one by one.
    expect(turns).toEqual(names.slice(0, 10));
    clock.advance(5_000);
    expect(turns).toEqual(names);
    expect(clock.pending).toBe(0);
    expect(metrics.retryQueue.queued.value).toBe(25);
  });

  test("lets nobody pass who waits already", () => {
    const { queue, turns, retrier, spend, clock } = setup(10, 1);
    spend();
    queue.take(retrier("first"));
    queue.take(retrier("second"));
    queue.attempted(false);
    expect(turns).toEqual(["first"]);
    expect(queue.take(retrier("third"))).toBe(false);
    clock.advance(200);
    expect(turns).toEqual(["first", "second", "third"]);
  });

  test("lets nobody pass either while a timer is late", () => {
    const { queue, turns, retrier, spend, clock } = setup();
    spend();
    queue.take(retrier("first"));
    const lateMs = clock.now() + 250;
    const now = spyOn(clock, "now").mockImplementation(() => lateMs);
    expect(queue.take(retrier("second"))).toBe(false);
    now.mockRestore();
    clock.advance(250);
    expect(turns).toEqual(["first", "second"]);
  });

  test("hands a token that is given back to the next, however many give it back", () => {
    const { queue, turns, unneeded, retrier, spend } = setup(10);
    spend();
    const names = Array.from({ length: 5_000 }, (_, index) => `r${index}`);
    for (const name of names) {
      queue.take(retrier(name));
      unneeded.add(name);
    }
    queue.giveBack();
    expect(turns).toEqual(names);
    expect(queue.balance).toBe(1);
  });

  test("forgets who leaves, and then holds no timer", () => {
    const { clock, queue, turns, retrier, spend } = setup();
    spend();
    const [gone, stays] = [retrier("gone"), retrier("stays")];
    queue.take(gone);
    queue.take(stays);
    queue.leave(gone);
    clock.advance(100);
    expect(turns).toEqual(["stays"]);
    queue.take(gone);
    expect(clock.pending).toBe(1);
    queue.leave(gone);
    expect(clock.pending).toBe(0);
  });

  test("waits for connections alone where there is no minimum rate", () => {
    const { clock, queue, turns, retrier, warnings } = setup(0, 0.5);
    queue.take(retrier("only"));
    expect([clock.pending, warnings.length]).toEqual([0, 1]);
    queue.attempted(false);
    expect(turns).toEqual([]);
    queue.attempted(false);
    expect(turns).toEqual(["only"]);
  });

  test("warns once a minute at most", () => {
    const { clock, queue, warnings, retrier, spend } = setup(1, 0);
    for (let second = 0; second < 120; second += 1) {
      if (second === 0) spend();
      for (let count = 0; count < 3; count += 1) queue.take(retrier(`${second}.${count}`));
      clock.advance(1_000);
    }
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toEqual({ waiting: 3 });
  });
});
