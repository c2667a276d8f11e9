// A worker thread that dies in the middle of its work: the clients of the other one notice nothing, and new ones neither.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { FEW_FILES, readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";
import { Swarm } from "./swarm.ts";

setDefaultTimeout(60_000);
const CROWD = 400;
const KILLS = 3;
/** `SIGWINCH` kills a worker. */
const env = { BUN_OPTIONS: `--preload ${join(import.meta.dir, "kill-worker.ts")}` };

describe.skipIf(!has("python3"))("a worker that dies", () => {
  test("costs its own connections, which are ended, and no others; it is replaced", async () => {
    await using swarm = new Swarm();
    const { port } = await swarm.serve("echo");
    const config = proxyTo({ to: [port], top: { workers: 2 } });
    await using product = await Product.start(config, { env });
    const files = product.openFiles();
    const crowd = await swarm.crowd(product.port(), CROWD);
    expect(await crowd.ping()).toEqual({ ok: CROWD });

    product.process.kill("SIGWINCH");
    await replaced(product, 1);

    const page = await readings(product);
    const active = page.sum("l5d_srv_active");
    expect(active).toBeGreaterThan(0);
    expect(active).toBeLessThan(CROWD);
    const reason = "internal";
    expect(page.sum("l5d_srv_close_reason_total", { reason })).toBe(CROWD - active);
    const outcomes = await crowd.ping();
    expect(outcomes["ok"]).toBe(active);
    expect(outcomes["silent"]).toBeUndefined();
    expect(product.log.some(({ detail }) => String(detail).includes("crashed by the test"))).toBe(
      true,
    );
    await crowd.leave();
    await atRest(product);
    await until("descriptors are closed", () => product.openFiles() <= files + FEW_FILES);
    expect((await readings(product)).sum("l5d_endpoint_connections")).toBe(0);
  });

  test("loses no connection that waits to be accepted, however often it dies", async () => {
    await using swarm = new Swarm();
    const { port } = await swarm.serve("echo");
    const config = proxyTo({ to: [port], top: { workers: 2 } });
    await using product = await Product.start(config, { env });
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const together = 50;
      const churning = swarm.churn(product.port(), { count: 2_000, together });
      await until("it is at work", async () => {
        return (await readings(product)).sum("l5d_srv_active") > 0;
      });
      product.process.kill("SIGWINCH");
      const { ok = 0, ...others } = (await churning).outcomes;
      // Only what the dead worker had in its hands.
      expect(ok).toBeGreaterThanOrEqual(2_000 - together);
      expect(others["stuck"]).toBeUndefined();
      expect(others["ECONNREFUSED"]).toBeUndefined();
      await replaced(product, kill);
    }
    await atRest(product);
  });
});

async function replaced(product: Product, times: number): Promise<void> {
  await until("the worker is replaced", async () => {
    const page = await readings(product);
    return page.sum("l5d_worker_restarts_total") === times && page.sum("l5d_workers") === 2;
  });
}

/** Waits until nothing is open, and checks that what was counted adds up, with what died in a worker. */
async function atRest(product: Product): Promise<void> {
  await until("every connection has ended", async () => {
    return (await readings(product)).sum("l5d_srv_active") === 0;
  });
  const page = await readings(product);
  const accepts = page.sum("l5d_srv_accepts_total");
  expect(page.sum("l5d_srv_closes_total") + page.sum("l5d_srv_failures_total")).toBe(accepts);
  expect(page.sum("l5d_srv_close_reason_total")).toBe(accepts);
}
