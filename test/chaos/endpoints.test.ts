// Endpoints that misbehave, each in its way: what clients see of it, and that nothing is left of it.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { Peer } from "../support/tls/peer.ts";
import { until } from "../support/until.ts";
import { Ledger } from "./ledger.ts";
import { Swarm } from "./swarm.ts";

setDefaultTimeout(120_000);
const CLIENTS = 400;
const SLACK_MIB = 24;
const KEEP_TRYING = { maxConsecutiveFailures: 1_000_000 };
/** Most attempts fail here, as long as none that fails is ejected. */
const RETRY_ALL = { budget: { minRetriesPerSec: 1_000, percentCanRetry: 1_000 } };

describe.skipIf(!has("python3"))("among endpoints", () => {
  let swarm: Swarm;
  let python: PythonSockets;
  let ca: Ca;

  beforeAll(async () => {
    swarm = new Swarm();
    python = new PythonSockets();
    ca = await makeCa();
  });

  afterAll(async () => {
    await swarm[Symbol.asyncDispose]();
    await python[Symbol.asyncDispose]();
  });

  for (const workers of [1, 2]) {
    test(`two refuse, of which one comes up, and one is a black hole: no client loses anything (${workers} workers)`, async () => {
      const good = await swarm.serve("echo");
      const hole = await python.blackHole();
      const late = await python.freePort();
      const to = [await python.deadPort(), hole.port, late, good.port];
      const client = { connectTimeoutMs: 300, failFast: KEEP_TRYING };
      await using product = await Product.start(proxyTo({ to, client, top: { workers } }));
      await swarm.churn(product.port(), { count: 20, together: 20 });
      const ledger = await Ledger.open(product);
      const churning = swarm.churn(product.port(), { count: CLIENTS, together: 40 });
      await until("some have been served", async () => (await good.stats()).accepted > CLIENTS / 4);
      const up = await swarm.serve("echo", { port: late });
      expect((await churning).outcomes).toEqual({ ok: CLIENTS });
      expect((await up.stats()).accepted).toBeGreaterThan(0);
      await ledger.close(SLACK_MIB);
      const page = await readings(product);
      for (const cause of ["refused", "timeout"])
        expect(page.sum("l5d_balancer_connection_failure_total", { cause })).toBeGreaterThan(0);
    });
  }

  test("all that can go wrong before a TLS connection stands costs no client anything", async () => {
    await using peer = new Peer();
    const inner = await issue(ca, { names: ["inner.test"] });
    const good = await peer.listen({ tls: inner });
    await good.echoAll();
    const foreign = await peer.listen({
      tls: await issue(await makeCa(), { names: ["inner.test"] }),
    });
    const misnamed = await peer.listen({ tls: await issue(ca, { names: ["other.test"] }) });
    const broken = await Promise.all([
      swarm.serve("hold"),
      swarm.serve("garble"),
      swarm.serve("echo"),
      swarm.serve("reset"),
      swarm.serve("reset", { size: 100 }),
    ]);
    const flapping = new Flapping(swarm);
    await flapping.comeAndGo();
    const to = [...broken, flapping, foreign, misnamed, good].map(({ port }) => port);
    const client = {
      connectTimeoutMs: 1_000,
      failFast: KEEP_TRYING,
      retries: RETRY_ALL,
      tls: { dnsName: "inner.test", trustCerts: ["ca.pem"] },
    };
    const config = proxyTo({ to: [...to, await python.deadPort()], client });
    await using product = await Product.start(config, { files: { "ca.pem": ca.certPem } });
    await swarm.churn(product.port(), { count: 20, together: 20 });
    const ledger = await Ledger.open(product);
    const churning = swarm.churn(product.port(), { count: CLIENTS, together: 40 });
    await flapping.during(churning);
    expect((await churning).outcomes).toEqual({ ok: CLIENTS });
    await ledger.close(SLACK_MIB);
    const page = await readings(product);
    for (const cause of ["refused", "timeout", "other"])
      expect(page.sum("l5d_balancer_connection_failure_total", { cause })).toBeGreaterThan(0);
  });

  test("one that resets after a few bytes costs its own clients only, and they are told", async () => {
    const good = await swarm.serve("echo");
    const resets = await swarm.serve("reset", { size: 10 });
    await using product = await Product.start(
      proxyTo({ to: [good.port, resets.port], client: { failFast: KEEP_TRYING } }),
    );
    await swarm.churn(product.port(), { count: 50, together: 20 });
    const ledger = await Ledger.open(product);
    const before = await resets.stats();
    const { outcomes } = await swarm.churn(product.port(), { count: CLIENTS, together: 40 });
    const reset = (await resets.stats()).accepted - before.accepted;
    expect(reset).toBeGreaterThan(CLIENTS / 8);
    const { ok = 0, ECONNRESET: lost = 0 } = outcomes;
    expect(lost).toBeLessThanOrEqual(reset);
    expect(ok + lost).toBe(CLIENTS);
    await ledger.close(SLACK_MIB);
  });

  test("one that accepts and does nothing holds its own clients, until idleTimeoutSecs ends them", async () => {
    const holds = await swarm.serve("hold");
    const server = { idleTimeoutSecs: 1 };
    await using product = await Product.start(proxyTo({ to: [holds.port], server }));
    await (await swarm.crowd(product.port(), 50)).leave();
    const ledger = await Ledger.open(product);
    const crowd = await swarm.crowd(product.port(), CLIENTS);
    expect(crowd.connected).toBe(CLIENTS);
    expect(await crowd.ends(20)).toEqual({ end: CLIENTS });
    await until("the endpoint is left", async () => (await holds.stats()).active === 0);
    await crowd.leave();
    await ledger.close(SLACK_MIB);
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "idle_timeout" })).toBe(CLIENTS);
  });
});

/** An endpoint that comes and goes, and cuts off whom it has let in. */
class Flapping {
  readonly #swarm: Swarm;
  port = 0;

  constructor(swarm: Swarm) {
    this.#swarm = swarm;
  }

  async comeAndGo(): Promise<void> {
    const up = await this.#swarm.serve("hold", { port: this.port });
    this.port = up.port;
    await up.stop();
  }

  async during(work: Promise<unknown>): Promise<void> {
    let done = false;
    void work.finally(() => (done = true));
    while (!done) await this.comeAndGo();
  }
}
