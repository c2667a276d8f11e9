// The limits that are numbers: connections served at a time, clients that wait, connections kept ready, descriptors.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeWaits, cpuMsDuring, FEW_FILES, readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(40_000);

describe.skipIf(!has("python3"))("a limit in numbers", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  for (const workers of [1, 2]) {
    test(`maxConcurrency lets those above it wait until others leave (${workers} workers)`, async () => {
      const backend = await python.serve("greet", "a");
      const server = { maxConcurrency: 2 };
      const top = { workers };
      await using product = await Product.start(proxyTo({ to: [backend.port], server, top }));
      const crowd = await python.crowd(product.port(), 5);
      await until("two are served", async () => (await backend.stats()).active === 2);
      // The others are neither served nor refused.
      expect(await crowd.lines(0.5)).toEqual({ lines: { a: 2 }, ends: {}, silent: 3 });
      expect((await readings(product)).sum("l5d_srv_accept_paused")).toBe(workers);
      // Those who are served leave, and so do the others when their turn has come.
      const rest = await crowd.lines(10, { leave: true });
      expect(rest).toEqual({ lines: { a: 3 }, ends: {}, silent: 0 });
      expect(await python.visit(product.port(), 50)).toMatchObject({ lines: { a: 50 } });
      await until("all have left", async () => (await backend.stats()).active === 0);
      expect((await backend.stats()).mostActive).toBe(2);
      await until("accepting goes on", async () => {
        return (await readings(product)).sum("l5d_srv_accept_paused") === 0;
      });
    });
  }

  test("maxWaiters refuses those above it at once, with a reset", async () => {
    const hole = await python.blackHole();
    const client = { maxWaiters: 3 };
    await using product = await Product.start(proxyTo({ to: [hole.port], client }));
    const crowd = await python.crowd(product.port(), 10);
    expect(await crowd.lines(1)).toEqual({ lines: {}, ends: { ECONNRESET: 7 }, silent: 3 });
    const page = await readings(product);
    expect(page.sum("l5d_balancer_unavailable_total")).toBe(7);
    expect(page.sum("l5d_balancer_waiters")).toBe(3);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "queue_full" })).toBe(7);
    await crowd.end("reset");
    await until("nobody waits", async () => {
      return (await readings(product)).sum("l5d_balancer_waiters") === 0;
    });
  });

  for (const workers of [1, 2]) {
    test(`minConnections stand before there is a client, and are replaced when they end (${workers} workers)`, async () => {
      const backend = await python.serve("echo");
      const client = { minConnections: 3 };
      const top = { workers };
      await using product = await Product.start(proxyTo({ to: [backend.port], client, top }));
      const warm = async () => (await readings(product)).sum("l5d_balancer_connection_warm");
      await until("three stand", async () => {
        return (await warm()) === 3 && (await backend.stats()).active === 3;
      });
      expect((await backend.stats()).accepted).toBe(3);

      await backend.hangUp();
      await until("three others stand", async () => {
        const { accepted, active } = await backend.stats();
        return accepted === 6 && active === 3 && (await warm()) === 3;
      });

      const visitor = await python.connect(product.port());
      expect(await visitor.chat(0.1, 10)).toEqual({ end: "open" });
      await until("the one taken is replaced", async () => (await warm()) === 3);
      await visitor.close();
      await until("its own has ended", async () => (await backend.stats()).active === 3);
    });
  }

  describe("minConnections to endpoints that speak first", () => {
    const client = { minConnections: 3 };

    test("keep the greeting for the client, and what follows in order", async () => {
      const backend = await python.serve("greet", "warm");
      await using product = await Product.start(proxyTo({ to: [backend.port], client }));
      await until("three stand", async () => (await backend.stats()).active === 3);
      const visitor = await python.connect(product.port());
      await visitor.write("and on");
      expect(await visitor.receive(11)).toMatchObject({ text: "warm\nand on" });
      const crowd = await python.visit(product.port(), 100);
      expect(crowd).toEqual({ lines: { warm: 100 }, ends: {}, silent: 0 });
    });

    test("give no client one that has ended", async () => {
      const backend = await python.serve("greet", "warm");
      await using product = await Product.start(proxyTo({ to: [backend.port], client }));
      await until("three stand", async () => (await backend.stats()).active === 3);
      await backend.hangUp();
      const visitor = await python.connect(product.port());
      await visitor.write("and on");
      expect(await visitor.receive(11)).toMatchObject({ text: "warm\nand on", end: "all" });
    });

    test("are replaced when they end after their greeting", async () => {
      const backend = await python.serve("greet", "warm");
      await using product = await Product.start(proxyTo({ to: [backend.port], client }));
      await until("three stand", async () => (await backend.stats()).active === 3);
      await backend.hangUp();
      await until(
        "three others stand",
        async () => {
          const { accepted, active } = await backend.stats();
          return accepted === 6 && active === 3;
        },
        5_000,
      );
      expect((await readings(product)).sum("l5d_balancer_connection_warm")).toBe(3);
      expect(closeWaits(backend.port)).toBe(0);
    });
  });

  test("descriptors that run out let clients wait; nothing spins, dies or is refused", async () => {
    const backend = await python.serve("greet", "a");
    const config = proxyTo({ to: [backend.port] });
    await using product = await Product.start(config, { before: "ulimit -n 64" });
    const crowd = await python.crowd(product.port(), 200);
    await until("some are served", async () => (await backend.stats()).active > 0);
    await until("accepting has paused", async () => {
      return (await readings(product)).sum("l5d_srv_accept_paused") === 1;
    });
    expect(await cpuMsDuring(product, 1_500)).toBeLessThan(300);
    // The admin port goes on to answer, which `readings` has shown; now those who are served leave, one by one.
    expect(await crowd.lines(15, { leave: true })).toEqual({
      lines: { a: 200 },
      ends: {},
      silent: 0,
    });
    const visitor = await python.connect(product.port());
    expect(await visitor.receive(2)).toMatchObject({ text: "a\n" });
    await visitor.close();
    expect(product.process.exitCode).toBeNull();
  });

  for (const how of ["fin", "reset"] as const) {
    test(`300 clients that give up their wait by ${how} free their places and descriptors`, async () => {
      const hole = await python.blackHole();
      const server = { connectTimeoutMs: 60_000 };
      const client = { connectTimeoutMs: 60_000 };
      await using product = await Product.start(proxyTo({ to: [hole.port], server, client }));
      const atStart = product.openFiles();
      const crowd = await python.crowd(product.port(), 300);
      await until("all wait", async () => {
        return (await readings(product)).sum("l5d_balancer_waiters") === 300;
      });
      expect(product.openFiles()).toBeGreaterThanOrEqual(atStart + 600);
      await crowd.end(how);
      await until("descriptors are free", () => product.openFiles() <= atStart + FEW_FILES, 8_000);
      const page = await readings(product);
      expect(page.sum("l5d_balancer_waiters")).toBe(0);
      expect(page.sum("l5d_srv_active")).toBe(0);
      expect(page.sum("l5d_balancer_connection_pending")).toBe(0);
      expect(page.sum("l5d_srv_close_reason_total", { reason: "client_left" })).toBe(300);
    });
  }
});
