// Crowds: many short connections, many that stand idle, more than there are descriptors. Nothing leaks, nobody is lost.
// CHAOS=full has the full sizes, which take minutes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpuMsDuring, readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";
import { Ledger } from "./ledger.ts";
import { Swarm, type SwarmEndpoint } from "./swarm.ts";

setDefaultTimeout(600_000);
const FULL = process.env["CHAOS"] === "full";
const SHORT = FULL ? 200_000 : 30_000;
const IDLE = 9_000;
/** An idle connection, with both of its sockets. */
const IDLE_BYTES = 6 * 1024;
const SOURCES = Array.from({ length: 8 }, (_, at) => `127.0.0.${at + 2}`);
const MIB = 1 << 20;

describe.skipIf(!has("python3"))("a crowd", () => {
  let clients: Swarm;
  let servers: Swarm;
  let endpoints: readonly SwarmEndpoint[];
  let to: readonly number[];

  beforeAll(async () => {
    clients = new Swarm();
    servers = new Swarm();
    endpoints = await Promise.all([1, 2, 3, 4].map(() => servers.serve("echo")));
    to = endpoints.map(({ port }) => port);
  });

  afterAll(async () => {
    await clients[Symbol.asyncDispose]();
    await servers[Symbol.asyncDispose]();
  });

  test(`of ${SHORT} short connections leaves neither descriptors nor memory behind`, async () => {
    await using product = await Product.start(proxyTo({ to }));
    const churn = (count: number) =>
      clients.churn(product.port(), { count, together: 64, sources: SOURCES, secs: 400 });
    // Memory has found its level after some thousands.
    await churn(10_000);
    const ledger = await Ledger.open(product);
    const { outcomes, secs } = await churn(SHORT);
    if (FULL)
      console.log(`${SHORT} in ${secs.toFixed(0)} s, ${(ledger.grownBytes / MIB).toFixed(1)} MiB`);
    expect(outcomes).toEqual({ ok: SHORT });
    await ledger.close(8);
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "eof" })).toBe(SHORT + 10_000);
  });

  test(`of ${IDLE} idle connections costs little memory and no CPU time, and each is served in the end`, async () => {
    await using product = await Product.start(proxyTo({ to }));
    await clients.churn(product.port(), { count: 1_000, together: 64 });
    const ledger = await Ledger.open(product);
    const crowd = await clients.crowd(product.port(), IDLE, { sources: SOURCES });
    expect(crowd.connected).toBe(IDLE);
    expect(await crowd.ping()).toEqual({ ok: IDLE });
    expect((await readings(product)).sum("l5d_srv_active")).toBe(IDLE);
    if (FULL) console.log(`${IDLE} idle: ${(ledger.grownBytes / MIB).toFixed(1)} MiB`);
    expect(ledger.grownBytes).toBeLessThan(IDLE * IDLE_BYTES);
    // The ledger asks for metrics five times a second meanwhile.
    expect(await cpuMsDuring(product, 1_000)).toBeLessThan(250);
    // New ones get through beside them, and each of them is still alive.
    expect((await clients.churn(product.port(), { count: 500, together: 20 })).outcomes).toEqual({
      ok: 500,
    });
    expect(await crowd.ping()).toEqual({ ok: IDLE });
    await crowd.leave();
    await ledger.close(24);
  });

  test("larger than the descriptors is served one after the other", async () => {
    const config = proxyTo({ to, top: { workers: 2 } });
    await using product = await Product.start(config, { before: "ulimit -n 160" });
    await clients.churn(product.port(), { count: 100, together: 10 });
    const ledger = await Ledger.open(product);
    const idle = await clients.crowd(product.port(), 100);
    await until("accepting has paused", async () => {
      return (await readings(product)).sum("l5d_srv_accept_paused") > 0;
    });
    expect(await cpuMsDuring(product, 1_000)).toBeLessThan(300);
    const churning = clients.churn(product.port(), { count: 2_000, together: 500 });
    await idle.leave("reset");
    expect((await churning).outcomes).toEqual({ ok: 2_000 });
    await ledger.close(24);
    expect(product.process.exitCode).toBeNull();
  });
});
