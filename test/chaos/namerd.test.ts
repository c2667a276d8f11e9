// A namerd that hangs: its process is stopped, so that its connections stand and nothing is said on them.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readings } from "../support/peers/observed.ts";
import { proxyWith } from "../support/peers/proxy-config.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";
import { Ledger } from "./ledger.ts";
import { Swarm } from "./swarm.ts";

setDefaultTimeout(60_000);

describe.skipIf(!has("python3"))("a namerd that hangs", () => {
  let swarm: Swarm;

  beforeAll(() => {
    swarm = new Swarm();
  });

  afterAll(() => swarm[Symbol.asyncDispose]());

  const startNamerd = (files: Readonly<Record<string, string>>): Promise<Product> =>
    Product.start(
      {
        admin: { port: 0 },
        storage: { kind: "io.l5d.inMemory", namespaces: { default: "/svc => /#/io.l5d.fs;" } },
        namers: [{ kind: "io.l5d.fs", rootDir: "." }],
        interfaces: [{ kind: "io.l5d.httpController", port: 0 }],
      },
      { words: ["namerd"], files },
    );

  const through = (namerd: Product, server: object = {}): unknown => {
    const baseUrl = `http://127.0.0.1:${namerd.port()}`;
    const interpreter = { kind: "io.l5d.namerd.http", baseUrl, requestTimeoutMs: 500 };
    return proxyWith(interpreter, { server });
  };

  test("costs no client anything, and is followed again when it goes on", async () => {
    const [first, second] = await Promise.all([swarm.serve("echo"), swarm.serve("echo")]);
    await using namerd = await startNamerd({ web: `127.0.0.1 ${first.port}\n` });
    await using product = await Product.start(through(namerd));
    await swarm.churn(product.port(), { count: 50, together: 10 });
    const ledger = await Ledger.open(product);
    const crowd = await swarm.crowd(product.port(), 100);
    await namerd.halt();
    writeFileSync(join(namerd.folder, "web"), `127.0.0.1 ${second.port}\n`);
    expect((await swarm.churn(product.port(), { count: 2_000, together: 20 })).outcomes).toEqual({
      ok: 2_000,
    });
    expect(await crowd.ping()).toEqual({ ok: 100 });
    expect((await second.stats()).accepted).toBe(0);
    namerd.process.kill("SIGCONT");
    await until("the change is followed", async () => {
      await swarm.churn(product.port(), { count: 10, together: 10 });
      return (await second.stats()).accepted > 0;
    });
    expect(await crowd.ping()).toEqual({ ok: 100 });
    await crowd.leave();
    await ledger.close(24);
  });

  test("before it has said anything lets clients wait, and serves them when it goes on", async () => {
    const { port } = await swarm.serve("echo");
    await using namerd = await startNamerd({ web: `127.0.0.1 ${port}\n` });
    await namerd.halt();
    await using product = await Product.start(through(namerd, { connectTimeoutMs: 30_000 }));
    const churning = swarm.churn(product.port(), { count: 100, together: 100 });
    await until("all wait", async () => {
      return (await readings(product)).sum("l5d_balancer_waiters") === 100;
    });
    namerd.process.kill("SIGCONT");
    expect((await churning).outcomes).toEqual({ ok: 100 });
  });

  test("and has never said anything is a reset after connectTimeoutMs, and leaves nothing behind", async () => {
    await using namerd = await startNamerd({});
    await namerd.halt();
    await using product = await Product.start(through(namerd, { connectTimeoutMs: 500 }));
    const ledger = await Ledger.open(product);
    const { outcomes } = await swarm.churn(product.port(), { count: 300, together: 100 });
    expect(outcomes).toEqual({ ECONNRESET: 300 });
    await ledger.close(24);
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "connect_timeout" })).toBe(300);
  });

  test("whose names then vanish keeps its clients on the last good endpoints", async () => {
    const { port } = await swarm.serve("echo");
    await using namerd = await startNamerd({ web: `127.0.0.1 ${port}\n` });
    await using product = await Product.start(through(namerd));
    await swarm.churn(product.port(), { count: 50, together: 10 });
    await namerd.halt();
    rmSync(join(namerd.folder, "web"));
    expect((await swarm.churn(product.port(), { count: 500, together: 20 })).outcomes).toEqual({
      ok: 500,
    });
    namerd.process.kill("SIGKILL");
    await namerd.process.exited;
    expect((await swarm.churn(product.port(), { count: 500, together: 20 })).outcomes).toEqual({
      ok: 500,
    });
  });
});
