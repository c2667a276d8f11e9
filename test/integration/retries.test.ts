// Endpoints that fail while many clients ask for them: nobody is lost, and there is no storm of attempts.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Readings, readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const ATTEMPTS = "l5d_balancer_connection_attempts_total";

function deadPorts(python: PythonSockets, count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, () => python.deadPort()));
}

describe.skipIf(!has("python3"))("retries", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  for (const workers of [1, 2]) {
    test(`bring 500 clients at once to the one endpoint of four that lives (${workers} workers)`, async () => {
      const good = await python.serve("greet", "good");
      const to = [...(await deadPorts(python, 3)), good.port];
      await using product = await Product.start(proxyTo({ to, top: { workers } }));
      const startedMs = performance.now();
      expect(await python.visit(product.port(), 500, 30)).toEqual({
        lines: { good: 500 },
        ends: {},
        silent: 0,
      });
      const secs = (performance.now() - startedMs) / 1000;
      const page = await readings(product);
      expect(page.sum("l5d_balancer_connection_connects_total")).toBeGreaterThanOrEqual(500);
      // In vain: a first attempt of each, one in five, and the minimum rate. The rest came through.
      const vain = page.sum("l5d_balancer_connection_failure_total");
      expect(vain).toBeLessThanOrEqual(500 + 100 + 10 * (secs + workers));
      expect(page.sum("l5d_srv_close_reason_total", { reason: "connect_timeout" })).toBe(0);
    });
  }

  const cases = [
    { workers: 1, back: "that is not ejected" },
    { workers: 2, back: "that is not ejected" },
    { workers: 2, back: "that is ejected" },
  ];
  for (const { workers, back } of cases) {
    test(`of 2,000 clients keep to the budget while every endpoint is dead, and serve all at the one ${back} when it lives (${workers} workers)`, async () => {
      const to = await deadPorts(python, 3);
      const server = { connectTimeoutMs: 60_000 };
      const client = { failFast: { failurePenaltySecs: 1 } };
      await using product = await Product.start(proxyTo({ to, server, client, top: { workers } }));
      const attempts = async (): Promise<number> => (await readings(product)).sum(ATTEMPTS);
      const crowd = await python.crowd(product.port(), 2_000);
      const isSpent = (page: Readings): boolean =>
        page.sum("l5d_balancer_waiters") === 2_000 &&
        page.sum("l5d_balancer_retry_budget") === 0 &&
        page.sum(ATTEMPTS) > 2_400;
      await until("the budget is spent", async () => isSpent(await readings(product)), 30_000);
      const [before, sinceMs] = [await attempts(), performance.now()];
      await until("there are 30 more", async () => (await attempts()) >= before + 30, 30_000);
      const secs = (performance.now() - sinceMs) / 1000;
      // 10 a second, and one of each of the endpoints' probes.
      const made = (await attempts()) - before;
      const probes = 3 * workers * (secs + 2);
      expect(made).toBeLessThanOrEqual(10 * (secs + 1) + probes);
      const spent = product.log.filter(({ msg }) => msg.startsWith("retry budget is spent"));
      expect([spent.length, spent[0]?.level]).toEqual([workers, "warn"]);

      // All who wait have tried it, or will; the others are probed.
      const last = product.log.find(({ msg }) => msg.endsWith("it is the last one"))?.["endpoint"];
      const isWanted = (port: number): boolean =>
        (last === `127.0.0.1:${port}`) === (back === "that is not ejected");
      await python.serve("greet", "back", to.find(isWanted));
      expect(await crowd.lines(30)).toEqual({ lines: { back: 2_000 }, ends: {}, silent: 0 });
      await crowd.end("reset");
      const page = await readings(product);
      expect(page.sum("l5d_balancer_retries_total")).toBeGreaterThan(0);
      expect(page.sum("l5d_balancer_queued_total", { queue: "retry" })).toBeGreaterThan(1_000);
    });
  }
});
