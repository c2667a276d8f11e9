// The limits that are lengths of time: idle connections, old connections, and waits for an endpoint.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(40_000);
// Timers of a busy machine are late, hardly ever early.
const EARLY_MS = 100;
const LATE_MS = 3_000;

describe.skipIf(!has("python3"))("a limit of time", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  test("connectionLifetimeSecs ends a connection however busy it is", async () => {
    const backend = await python.serve("greet", "a");
    const server = { connectionLifetimeSecs: 1, connectionLifetimeJitterPercent: 0 };
    await using product = await Product.start(proxyTo({ to: [backend.port], server }));
    const beforeMs = performance.now();
    const silent = await python.connect(product.port());
    const busy = await python.connect(product.port());
    await busy.receive(2);
    const ended = silent
      .receive()
      .then((whole) => ({ ...whole, ms: performance.now() - beforeMs }));
    const [whole, chat] = await Promise.all([ended, busy.chat(6, 100)]);
    expect(whole).toMatchObject({ text: "a\n", end: "eof" });
    expect(whole.ms).toBeGreaterThan(1_000 - EARLY_MS);
    expect(whole.ms).toBeLessThan(1_000 + LATE_MS);
    expect(chat.end).not.toBe("open");
    await Promise.all([silent.close(), busy.close()]);
    await until("both endings are counted", async () => {
      const page = await readings(product);
      return page.sum("l5d_srv_close_reason_total", { reason: "lifetime" }) === 2;
    });
    await until("the endpoint is left as well", async () => (await backend.stats()).active === 0);
  });

  test("idleTimeoutSecs ends a connection on which nothing moves, and no other", async () => {
    const backend = await python.serve("echo");
    const server = { idleTimeoutSecs: 1 };
    await using product = await Product.start(proxyTo({ to: [backend.port], server }));
    const idle = await python.connect(product.port());
    const busy = await python.connect(product.port());
    const [received, chat] = await Promise.all([idle.receive(), busy.chat(3, 150)]);
    expect(received).toMatchObject({ bytes: 0, end: "eof" });
    expect(received.ms).toBeGreaterThan(1_000 - EARLY_MS);
    expect(received.ms).toBeLessThan(1_000 + LATE_MS);
    expect(chat.end).toBe("open");
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "idle_timeout" })).toBe(1);
    await busy.close();
  });

  test("halfClosedTimeoutSecs ends what stands still once one side has ended, and no slow download", async () => {
    const listener = await python.listen();
    const server = { halfClosedTimeoutSecs: 1 };
    await using product = await Product.start(proxyTo({ to: [listener.port], server }));
    const still = await python.connect(product.port());
    const mute = await listener.accept();
    const slow = await python.connect(product.port());
    const source = await listener.accept();
    await Promise.all([still.shutdown(), slow.shutdown()]);
    const [ended, download] = await Promise.all([
      still.receive(),
      slow.receive(10),
      source.drip(10, 400),
    ]);
    expect(ended).toMatchObject({ bytes: 0, end: "eof" });
    expect(ended.ms).toBeGreaterThan(1_000 - EARLY_MS);
    expect(ended.ms).toBeLessThan(1_000 + LATE_MS);
    expect(download).toMatchObject({ bytes: 10, end: "all" });
    expect(await mute.receive()).toMatchObject({ bytes: 0, end: "eof" });
    await until("it is counted", async () => {
      const page = await readings(product);
      return page.sum("l5d_srv_close_reason_total", { reason: "half_closed_timeout" }) === 1;
    });
  });

  test("the server's connectTimeoutMs ends the wait of a client whose endpoint does not answer", async () => {
    const hole = await python.blackHole();
    const server = { connectTimeoutMs: 600 };
    await using product = await Product.start(proxyTo({ to: [hole.port], server }));
    const client = await python.connect(product.port());
    const received = await client.receive();
    expect(received).toMatchObject({ bytes: 0, end: "ECONNRESET" });
    expect(received.ms).toBeGreaterThan(600 - EARLY_MS);
    expect(received.ms).toBeLessThan(600 + LATE_MS);
    const page = await readings(product);
    expect(page.sum("l5d_srv_connect_failure_total", { cause: "timeout" })).toBe(1);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "connect_timeout" })).toBe(1);
  });

  // Those that only wait wait together.
  test.concurrent(
    "connectionLifetimeJitterPercent ends connections that were made at once at different times",
    async () => {
      const backend = await python.serve("hold");
      const server = { connectionLifetimeSecs: 6, connectionLifetimeJitterPercent: 50 };
      await using product = await Product.start(proxyTo({ to: [backend.port], server }));
      const crowd = await python.crowd(product.port(), 200);
      const { times, ends } = await crowd.ends(15);
      expect(ends).toEqual({ eof: 200 });
      expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(1_000);
    },
  );

  test.concurrent(
    "the client's connectTimeoutMs passes on to another endpoint, and clients notice nothing",
    async () => {
      const hole = await python.blackHole();
      const good = await python.serve("greet", "good");
      const client = { connectTimeoutMs: 300, failFast: { maxConsecutiveFailures: 1_000 } };
      await using product = await Product.start(proxyTo({ to: [hole.port, good.port], client }));
      expect(await python.visit(product.port(), 30)).toEqual({
        lines: { good: 30 },
        ends: {},
        silent: 0,
      });
      const page = await readings(product);
      const timeouts = page.sum("l5d_balancer_connection_failure_total", { cause: "timeout" });
      expect(timeouts).toBeGreaterThan(0);
    },
  );

  test.concurrent(
    "a client that waits while all endpoints are down is served by the first that comes up",
    async () => {
      const ports = [await python.deadPort(), await python.deadPort(), await python.deadPort()];
      await using product = await Product.start(proxyTo({ to: ports }));
      const crowd = await python.crowd(product.port(), 20);
      await until("all of them have been refused by every endpoint", async () => {
        const page = await readings(product);
        return page.sum("l5d_balancer_connection_failure_total", { cause: "refused" }) >= 60;
      });
      await python.serve("greet", "late", ports[1]);
      expect(await crowd.lines(30)).toEqual({ lines: { late: 20 }, ends: {}, silent: 0 });
      await crowd.end("fin");
    },
  );
});
