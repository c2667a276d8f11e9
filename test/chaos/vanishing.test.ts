// An endpoint's host that vanishes: no FIN, no reset, no ICMP. Its connections end by the limits of time that are set.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpuMsDuring, readings } from "../support/peers/observed.ts";
import { proxyWith } from "../support/peers/proxy-config.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";
import { Ledger } from "./ledger.ts";
import { canMakeNamespaces, NetworkNamespace } from "./namespace.ts";
import { Swarm } from "./swarm.ts";

setDefaultTimeout(60_000);
const CROWD = 50;

/**
 * What ends a connection whose endpoint's host is gone, and by which reason. With data under way only what watches over
 * both directions does.
 */
const LIMITS = [
  { limit: { idleTimeoutSecs: 1 }, reason: "idle_timeout", end: "end" },
  { limit: { connectionLifetimeSecs: 2 }, reason: "lifetime", end: "end" },
] as const;

const namespaces = describe.skipIf(!has("python3") || !canMakeNamespaces());

namespaces("a host that vanishes", () => {
  for (const { limit, reason, end } of LIMITS) {
    for (const underWay of [false, true]) {
      const what = underWay ? "with bytes under way" : "at rest";
      test.concurrent(`leaves connections ${what} to ${Object.keys(limit)[0]}`, async () => {
        using host = new NetworkNamespace();
        await using clients = new Swarm();
        await using inside = new Swarm(host.inside);
        const { port } = await inside.serve("echo", { host: host.address });
        const names = { "/svc/web": [`${host.address}:${port}`] };
        await using product = await Product.start(
          proxyWith({ kind: "io.l5d.static", names }, { server: limit }),
        );
        const ledger = await Ledger.open(product);
        const crowd = await clients.crowd(product.port(), CROWD);
        expect(await crowd.ping()).toEqual({ ok: CROWD });
        host.vanish();
        // A byte that nobody acknowledges any more.
        if (underWay) expect(await crowd.ping(0.2)).toEqual({ silent: CROWD });
        expect(await crowd.ends(20)).toEqual({ [end]: CROWD });
        await crowd.leave();
        await ledger.close(24);
        const page = await readings(product);
        expect(page.sum("l5d_srv_close_reason_total", { reason })).toBe(CROWD);
      });
    }
  }

  test("costs new clients nothing while another endpoint is there", async () => {
    using host = new NetworkNamespace();
    await using swarm = new Swarm();
    await using inside = new Swarm(host.inside);
    const good = await swarm.serve("echo");
    const gone = await inside.serve("echo", { host: host.address });
    const names = { "/svc/web": [`${host.address}:${gone.port}`, `127.0.0.1:${good.port}`] };
    const client = { connectTimeoutMs: 300 };
    await using product = await Product.start(
      proxyWith({ kind: "io.l5d.static", names }, { client }),
    );
    await swarm.churn(product.port(), { count: 50, together: 10 });
    expect((await gone.stats()).accepted).toBeGreaterThan(0);
    const ledger = await Ledger.open(product);
    host.vanish();
    const { outcomes } = await swarm.churn(product.port(), { count: 300, together: 30 });
    expect(outcomes).toEqual({ ok: 300 });
    await ledger.close(24);
    const page = await readings(product);
    const timeouts = page.sum("l5d_balancer_connection_failure_total", { cause: "timeout" });
    expect(timeouts).toBeGreaterThan(0);
  });

  test("is let go by a client that leaves, though it never acknowledges", async () => {
    using host = new NetworkNamespace();
    await using clients = new Swarm();
    await using inside = new Swarm(host.inside);
    const { port } = await inside.serve("echo", { host: host.address });
    const names = { "/svc/web": [`${host.address}:${port}`] };
    await using product = await Product.start(proxyWith({ kind: "io.l5d.static", names }));
    const ledger = await Ledger.open(product);
    const crowd = await clients.crowd(product.port(), CROWD);
    expect(await crowd.ping()).toEqual({ ok: CROWD });
    host.vanish();
    expect(await crowd.ping(0.2)).toEqual({ silent: CROWD });
    expect(await cpuMsDuring(product, 500)).toBeLessThan(200);
    await crowd.leave("reset");
    await until("the clients' ends are counted", async () => {
      const page = await readings(product);
      return page.sum("l5d_srv_close_reason_total", { reason: "client_reset" }) === CROWD;
    });
    await ledger.close(24);
  });
});
