// The limit of connections to an endpoint: hard across workers, fair to those who wait, and whole after a worker's death.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { WorkerScene } from "../support/worker-scene.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

describe.skipIf(!has("python3"))("hostConnectionPool.maxSize", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  for (const workers of [1, 2]) {
    test(`is never exceeded by 200 clients at once, who are all served (${workers} workers)`, async () => {
      const servers = [await python.serve("greet", "a"), await python.serve("greet", "b")];
      const to = servers.map(({ port }) => port);
      const client = { hostConnectionPool: { maxSize: 3 } };
      const server = { connectTimeoutMs: 50_000 };
      await using product = await Product.start(proxyTo({ to, client, server, top: { workers } }));
      const { lines, ends, silent } = await python.visit(product.port(), 200, 50);
      expect([(lines["a"] ?? 0) + (lines["b"] ?? 0), ends, silent]).toEqual([200, {}, 0]);
      for (const { mostActive } of await Promise.all(servers.map((one) => one.stats()))) {
        expect(mostActive).toBe(3);
      }
      const page = await readings(product);
      expect(page.sum("l5d_balancer_queued_total", { queue: "limit" })).toBeGreaterThan(100);
      expect(page.sum("l5d_balancer_queue_time_ms_count", { queue: "limit" })).toBe(
        page.sum("l5d_balancer_queued_total", { queue: "limit" }),
      );
      expect(page.sum("l5d_balancer_waiters")).toBe(0);
    });
  }

  test("serves those who wait in the order in which they came", async () => {
    const server = await python.serve("greet", "a");
    const client = { hostConnectionPool: { maxSize: 1 } };
    await using product = await Product.start(proxyTo({ to: [server.port], client }));
    const order: number[] = [];
    const visits: (() => Promise<void>)[] = [];
    for (let visitor = 0; visitor < 20; visitor += 1) {
      const socket = await python.connect(product.port());
      await until("it has come", async () => {
        return (await readings(product)).sum("l5d_srv_accepts_total") === visitor + 1;
      });
      visits.push(async () => {
        expect((await socket.receive(2)).text).toBe("a\n");
        order.push(visitor);
        await socket.close();
      });
    }
    await Promise.all(visits.map((visit) => visit()));
    expect(order).toEqual(visits.map((_, visitor) => visitor));
    expect((await server.stats()).mostActive).toBe(1);
  });

  test("comes back whole when a worker dies that held some of it", async () => {
    const server = await python.serve("greet", "a");
    await using scene = await WorkerScene.start({ workers: 2, endpoint: server.port, maxSize: 6 });
    const crowd = await python.crowd(scene.port, 6);
    expect(await crowd.lines(20)).toEqual({ lines: { a: 6 }, ends: {}, silent: 0 });
    const held = scene.held();
    expect(held.reduce((sum, count) => sum + count, 0)).toBe(6);
    const waiting = await python.crowd(scene.port, 6);
    // The worker that holds more: it holds some in any case.
    const dying = (held[0] ?? 0) >= (held[1] ?? 0) ? 0 : 1;
    const freed = held[dying] ?? 0;
    scene.kill(dying);
    await until("it is replaced", () => scene.restarts === 1);
    // As many as it held are served now, by whichever worker; no more, as the others are still there.
    const next = await python.crowd(scene.port, 6);
    await until("the limit is used again", () => {
      return scene.held().reduce((sum, count) => sum + count, 0) === 6;
    });
    await until("they are connections", async () => (await server.stats()).active === 6);
    expect((await server.stats()).accepted).toBe(6 + freed);
    for (const one of [crowd, waiting, next]) await one.end("fin");
    await until("all places are free", () => scene.held().every((count) => count === 0));
  });
});
