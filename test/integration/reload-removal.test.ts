// What becomes of connections when a reload takes their server or their destination away.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readings } from "../support/peers/observed.ts";
import { type PythonServer, PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { freePort, reloadWith } from "../support/reload.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

describe.skipIf(!has("python3"))("a reload that takes away", () => {
  let python: PythonSockets;
  let hold: PythonServer;
  let echo: PythonServer;

  beforeAll(async () => {
    python = new PythonSockets();
    [hold, echo] = await Promise.all([python.serve("hold"), python.serve("echo")]);
  });

  afterAll(async () => {
    await python[Symbol.asyncDispose]();
  });

  function config(
    servers: readonly object[],
    more: { readonly client?: object; readonly admin?: object } = {},
  ) {
    return {
      admin: { port: 0, graceSecs: 60, ...more.admin },
      workers: 2,
      routers: [
        {
          label: "r",
          dtab: `/svc/hold => /$/inet/127.0.0.1/${hold.port}; /svc/echo => /$/inet/127.0.0.1/${echo.port};`,
          servers: [{ port: 0, dstName: "/svc/echo" }, ...servers],
          client: { kind: "io.l5d.global", ...more.client },
        },
      ],
    };
  }

  async function drains(product: Product) {
    const status = (await (await product.admin("/status.json")).json()) as {
      readonly drains: readonly { readonly what: string; readonly total: number }[];
    };
    return status.drains;
  }

  test("a server ends its connections one by one, and those of no other", async () => {
    const port = freePort();
    const admin = { graceSecs: 4, drainWindowSecs: 3 };
    await using product = await Product.start(config([{ port, dstName: "/svc/hold" }], { admin }));
    const stays = await python.connect(product.port("/svc/echo"));
    const before = (await hold.stats()).active;
    const crowd = await python.crowd(port, 300);
    await until("all are held", async () => (await hold.stats()).active === before + 300);
    const ending = crowd.ends(20);
    const answer = await reloadWith(product, config([], { admin }));
    expect(answer.summary?.[0]).toContain(
      "connections end one by one over 2.4 s after 1 s; what is left 4 s from now is reset (now 300)",
    );
    const { ends, times } = await ending;
    expect(ends).toEqual({ eof: 300 });
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(1_000);
    await until("nothing is left of it", async () => {
      const text = await (await product.admin("/metrics")).text();
      return !text.includes(`127.0.0.1:${port}`) && (await drains(product)).length === 0;
    });
    await stays.write("x");
    expect(await stays.receive(1)).toMatchObject({ text: "x" });
    await stays.close();
  });

  test("a server by mistake costs nobody a connection when it is soon back", async () => {
    const port = freePort();
    const both = config([{ port, dstName: "/svc/hold" }]);
    await using product = await Product.start(both);
    const crowd = await python.crowd(port, 20);
    await until(
      "all are counted",
      async () => (await product.metric("l5d_endpoint_connections", { dst: "/svc/hold" })) === 20,
    );
    expect((await reloadWith(product, config([]))).result).toBe("applied");
    expect(await drains(product)).toMatchObject([
      { what: `removed server 127.0.0.1:${port}`, total: 20, left: 20 },
    ]);
    // They are listed, and can be ended, as all others.
    expect(await (await product.admin("/connections")).json()).toMatchObject({ total: 20 });
    expect((await reloadWith(product, both)).result).toBe("applied");
    await until("the drain is over", async () => (await drains(product)).length === 0);
    expect((await crowd.ends(0.5)).open).toBe(20);
  });

  test("a destination cuts its connections where that is wanted, those in its queue too", async () => {
    const port = freePort();
    const client = { drain: { onRemoval: "cut" }, hostConnectionPool: { maxSize: 2 } };
    const to = (dstName: string) =>
      config([{ port, dstName, connectTimeoutMs: 60_000 }], { client });
    await using product = await Product.start(to("/svc/hold"));
    const crowd = await python.crowd(port, 10);
    await until("two have an endpoint, the others wait", async () => {
      const page = await readings(product);
      return (
        page.sum("l5d_endpoint_connections", { dst: "/svc/hold" }) === 2 &&
        page.sum("l5d_srv_waiters", { srv_addr: `127.0.0.1:${port}` }) === 8
      );
    });
    const ending = crowd.ends(20);
    const answer = await reloadWith(product, to("/svc/echo"));
    expect(answer.summary).toContainEqual(
      "destination r /svc/hold removed: is followed no more; connections are reset (now 2)",
    );
    expect((await ending).ends).toEqual({ ECONNRESET: 10 });
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "endpoint_removed" })).toBe(10);
    const next = await python.connect(port);
    await next.write("x");
    expect(await next.receive(1)).toMatchObject({ text: "x" });
    await next.close();
  });
});
