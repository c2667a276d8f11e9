// Endpoints that fail in ways of their own, with real sockets: which are ejected, how many, for how long, and what is said.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { issue, makeCa } from "../support/certs.ts";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { Peer } from "../support/tls/peer.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

/** Out for so long that no test sees the end of it. */
const LONG = { kind: "constant", ms: 600_000 };

/** `failureAccrual` after failures in a row. */
function accrual(failures: number, more: object = {}): Readonly<Record<string, unknown>> {
  const kind = "io.l5d.consecutiveFailures";
  return { failureAccrual: { kind, failures, backoff: LONG, ...more } };
}

describe.skipIf(!has("python3"))("failure accrual", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  /** Lets clients come, a few at a time, until a metric is `value`. */
  async function visitUntil(product: Product, metric: string, value: number): Promise<void> {
    await until(`${metric} is ${value}`, async () => {
      await python.visit(product.port(), 5);
      return (await readings(product)).sum(metric) === value;
    });
  }

  /** What the admin port says of the endpoint at `port`. */
  async function statusOf(product: Product, port: number): Promise<Record<string, unknown>> {
    const status = (await (await product.admin("/status.json")).json()) as {
      destinations: { endpoints: Record<string, unknown>[] }[];
    };
    const all = status.destinations.flatMap(({ endpoints }) => endpoints);
    return all.find(({ address }) => address === `127.0.0.1:${port}`) ?? {};
  }

  for (const workers of [1, 2]) {
    test(`ejects an endpoint that accepts and resets at once (${workers} workers)`, async () => {
      const good = await python.serve("greet", "good");
      const bad = await python.serve("reset");
      const backoff = { kind: "jittered", minMs: 100, maxMs: 200 };
      const config = {
        to: [good.port, bad.port],
        client: accrual(3, { backoff }),
        top: { workers },
      };
      await using product = await Product.start(proxyTo(config));
      const endpoint = `127.0.0.1:${bad.port}`;
      await until("all workers have ejected it", async () => {
        await python.visit(product.port(), 5);
        return (await readings(product)).sum("l5d_endpoint_ejected", { endpoint }) === workers;
      });
      const reasons = product.log.filter(({ msg }) => msg === "endpoint ejected");
      expect(reasons.map((line) => line["reason"])).toEqual(reasons.map(() => "early_reset"));
      expect(await python.visit(product.port(), 50)).toMatchObject({ lines: { good: 50 } });
      // Its probes are accepted and reset as well, which no client has to find out.
      const { accepted } = await bad.stats();
      await until("it is probed", async () => (await bad.stats()).accepted >= accepted + 4);
      const now = await readings(product);
      expect(now.sum("l5d_endpoint_readmissions_total")).toBe(0);
      expect(now.sum("l5d_endpoint_ejected", { endpoint })).toBe(workers);
    });
  }

  test("ejects an endpoint that resets when it is asked, and longer each time, as its probes connect", async () => {
    const bad = await python.serve("reset_asked");
    const idle = await python.serve("greet", "good");
    const backoff = { kind: "jittered", minMs: 100, maxMs: 60_000 };
    const client = accrual(2, { backoff });
    await using product = await Product.start(proxyTo({ to: [bad.port, idle.port], client }));
    const rounds = async () =>
      (await readings(product)).sum("l5d_endpoint_ejections_total", { reason: "early_reset" });
    await until("it is ejected three times", async () => {
      const client = await python.connect(product.port());
      await client.write("question");
      await client.receive(4, 1);
      await client.close();
      return (await rounds()) >= 3;
    });
    const now = await readings(product);
    expect(now.sum("l5d_balancer_connection_failure_total")).toBe(0);
    expect(now.sum("l5d_endpoint_readmissions_total")).toBeGreaterThanOrEqual(2);
    const lines = product.log.filter(({ msg }) => msg === "endpoint ejected");
    const [first, second, third] = lines.map((line) => Number(line["penaltyMs"]));
    expect(first).toBe(100);
    expect(second).toBeWithin(100, 301);
    expect(third).toBeWithin(Number(second), 3 * Number(second) + 2);
    // Two resets ejected it at first, and one after each probe.
    expect(lines.map((line) => line["failures"]).slice(0, 2)).toEqual(["2 in a row", "3 in a row"]);
  });

  test("leaves in what is beyond the share when more are dead, and no client notices", async () => {
    const good = [await python.serve("greet", "a"), await python.serve("greet", "b")];
    const dead: number[] = [];
    for (let count = 0; count < 6; count += 1) dead.push(await python.deadPort());
    const to = [...dead, ...good.map(({ port }) => port)];
    await using product = await Product.start(
      proxyTo({ to, client: accrual(2, { maxEjectedPercent: 50 }) }),
    );
    await visitUntil(product, "l5d_balancer_endpoint_failed", 4);
    const { lines } = await python.visit(product.port(), 100);
    expect((lines["a"] ?? 0) + (lines["b"] ?? 0)).toBe(100);
    await until("more would be ejected", async () => {
      await python.visit(product.port(), 20);
      const withheld = { limit: "share" };
      return (await readings(product)).sum("l5d_endpoint_ejections_withheld_total", withheld) > 0;
    });
    const now = await readings(product);
    expect(now.sum("l5d_balancer_endpoint_failed")).toBe(4);
    expect(now.sum("l5d_balancer_ejected_ratio")).toBe(0.5);
    expect(now.sum("l5d_balancer_panic")).toBe(0);
  });

  test("never ejects the only endpoint, which serves again the moment that it is back", async () => {
    const port = await python.deadPort();
    const server = { connectTimeoutMs: 200 };
    await using product = await Product.start(proxyTo({ to: [port], client: accrual(1), server }));
    await python.visit(product.port(), 3);
    const now = await readings(product);
    expect(now.sum("l5d_endpoint_ejected")).toBe(0);
    expect(now.sum("l5d_endpoint_ejections_withheld_total", { limit: "last" })).toBeGreaterThan(0);
    expect(now.sum("l5d_balancer_endpoint_withheld")).toBe(1);
    expect(await statusOf(product, port)).toMatchObject({
      state: "ready",
      ejection: { kind: "withheld", reason: "refused" },
    });
    expect(await (await product.admin("/")).text()).toContain(
      "ready (fails, not ejected: refused)",
    );
    await python.serve("greet", "back", port);
    expect(await python.visit(product.port(), 10)).toMatchObject({ lines: { back: 10 } });
    expect((await readings(product)).sum("l5d_balancer_endpoint_withheld")).toBe(0);
  });

  test("ejects nothing in a dry run, and says what it would have done", async () => {
    const good = await python.serve("greet", "good");
    const port = await python.deadPort();
    const client = accrual(2, { dryRun: true });
    await using product = await Product.start(proxyTo({ to: [good.port, port], client }));
    await visitUntil(product, "l5d_balancer_endpoint_would_be_ejected", 1);
    const before = await readings(product);
    expect(before.sum("l5d_endpoint_ejections_dry_run_total", { reason: "refused" })).toBe(1);
    expect(before.sum("l5d_endpoint_ejections_total")).toBe(0);
    expect(before.sum("l5d_endpoint_ejected")).toBe(0);
    expect(product.log.map(({ msg }) => msg)).toContain("endpoint would be ejected (dry run)");
    expect(await statusOf(product, port)).toMatchObject({
      state: "ready",
      ejection: { kind: "dry_run", reason: "refused", workers: 1 },
    });
    // It goes on to be picked.
    await python.visit(product.port(), 50);
    const failures = "l5d_endpoint_connect_failures_total";
    expect((await readings(product)).sum(failures)).toBeGreaterThan(before.sum(failures));
  });

  test("ejects an endpoint whose TLS handshakes fail, and says why on the admin port", async () => {
    const ca = await makeCa("Trusted CA");
    const { certPem, keyPem } = await issue(ca, { names: ["web.test"] });
    await using peer = new Peer();
    const good = await peer.listen({ tls: { certPem, keyPem } });
    await good.echoAll();
    const other = await issue(await makeCa("Other CA"), { names: ["web.test"] });
    const bad = await peer.listen({ tls: other });
    const tls = { dnsName: "web.test", trustCerts: ["ca.pem"] };
    const to = [good.port, bad.port];
    const files = { "ca.pem": ca.certPem };
    const config = proxyTo({ to, client: { tls, ...accrual(2) } });
    await using product = await Product.start(config, { files });
    await until("it is ejected", async () => {
      const client = await peer.connect(product.port());
      await client.sendText("hello");
      expect((await client.receive(5)).text).toBe("hello");
      await client.close();
      return (await readings(product)).sum("l5d_endpoint_ejections_total", { reason: "tls" }) === 1;
    });
    const { state, ejection } = await statusOf(product, bad.port);
    expect([state, ejection]).toMatchObject(["ejected", { reason: "tls", workers: 1 }]);
    expect((ejection as { probeInSeconds: number }).probeInSeconds).toBeWithin(500, 601);
    const page = await (await product.admin("/")).text();
    expect(page).toMatch(/ejected \(tls, probe in (9|10) min/);
  });

  test("ejects an endpoint that shakes hands and resets, as if its TLS client were refused", async () => {
    const ca = await makeCa("Trusted CA");
    const issued = await issue(ca, { names: ["web.test"] });
    await using peer = new Peer();
    const good = await peer.listen({ tls: issued });
    await good.echoAll();
    const bad = await peer.listen({ tls: issued });
    const resetAll = async (): Promise<void> => {
      for (;;) await (await bad.accept()).reset();
    };
    // It ends with the peer.
    resetAll().catch(() => {});
    const tls = { dnsName: "web.test", trustCerts: ["ca.pem"] };
    const config = proxyTo({ to: [good.port, bad.port], client: { tls, ...accrual(3) } });
    await using product = await Product.start(config, { files: { "ca.pem": ca.certPem } });
    await until("it is ejected", async () => {
      const client = await peer.connect(product.port());
      // It may have been reset already.
      await client.sendText("hello").catch(() => {});
      await client.receive(5);
      await client.close();
      const reason = { reason: "early_reset" };
      return (await readings(product)).sum("l5d_endpoint_ejections_total", reason) === 1;
    });
    expect((await readings(product)).sum("l5d_balancer_connection_failure_total")).toBe(0);
  });

  test("readmits an endpoint after its backoff, with a small share at first where slow start is on", async () => {
    const good = await python.serve("greet", "good");
    const port = await python.deadPort();
    const slowStart = { windowSecs: 600, minPercent: 10 };
    const client = { ...accrual(2, { backoff: { kind: "constant", ms: 200 } }), slowStart };
    await using product = await Product.start(proxyTo({ to: [good.port, port], client }));
    await visitUntil(product, "l5d_balancer_endpoint_failed", 1);
    await python.serve("greet", "back", port);
    await until(
      "it is back",
      async () => (await readings(product)).sum("l5d_balancer_endpoint_warming") === 1,
    );
    expect((await readings(product)).sum("l5d_endpoint_ejected")).toBe(0);
    const { lines } = await python.visit(product.port(), 300);
    expect((lines["good"] ?? 0) + (lines["back"] ?? 0)).toBe(300);
    // An eleventh of 300, six standard errors of which are 30; all of its weight would bring it 150.
    expect(lines["back"] ?? 0).toBeWithin(1, 70);
  });

  test("tries all endpoints again while fewer than the threshold of panic may be picked", async () => {
    const good = await python.serve("greet", "good");
    const dead = [await python.deadPort(), await python.deadPort(), await python.deadPort()];
    const client = { ...accrual(1), panicThresholdPercent: 70 };
    await using product = await Product.start(proxyTo({ to: [good.port, ...dead], client }));
    await visitUntil(product, "l5d_balancer_panic", 1);
    const failures = async () =>
      (await readings(product)).sum("l5d_endpoint_connect_failures_total");
    const before = await failures();
    expect(await python.visit(product.port(), 50)).toMatchObject({ lines: { good: 50 } });
    expect(await failures()).toBeGreaterThan(before);
  });
});
