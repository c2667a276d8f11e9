// What went wrong in linkerd-tcp before, one test for each issue of its tracker, so that it does not come back.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { FakeNamerd } from "../support/fake-namerd.ts";
import { closeWaits, cpuMsDuring, FEW_FILES, readings } from "../support/peers/observed.ts";
import { proxyTo, proxyWith } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

/** Waits until no session is left, and looks whether each was counted once. */
async function settled(product: Product) {
  await until(
    "all sessions have ended",
    async () => {
      return (await readings(product)).sum("l5d_srv_active") === 0;
    },
    5_000,
  );
  const page = await readings(product);
  const ends = page.sum("l5d_srv_closes_total") + page.sum("l5d_srv_failures_total");
  expect(page.sum("l5d_srv_accepts_total")).toBe(ends);
  expect(page.sum("l5d_srv_close_reason_total")).toBe(ends);
  expect(page.sum("l5d_srv_close_reason_total", { reason: "internal" })).toBe(0);
  return page;
}

describe.skipIf(!has("python3"))("regressions", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  test("#23: with its descriptors exhausted the proxy neither spins nor dies, and recovers", async () => {
    const backend = await python.serve("hold");
    const config = proxyTo({ to: [backend.port], top: { workers: 2 } });
    await using product = await Product.start(config, { before: "ulimit -n 96" });
    const crowds = [
      await python.crowd(product.port(), 100),
      await python.crowd(product.port(), 100),
    ];
    await until("some are served", async () => (await backend.stats()).active > 0);
    expect(await cpuMsDuring(product, 1_000)).toBeLessThan(250);
    for (const crowd of crowds) await crowd.end("reset");
    await until("the endpoint is left", async () => (await backend.stats()).active === 0);
    await settled(product);
    const client = await python.connect(product.port());
    await until("a new client is served", async () => (await backend.stats()).active === 1);
    await client.close();
    expect(product.process.exitCode).toBeNull();
  });

  for (const how of ["fin", "reset"] as const) {
    test(`#17: the endpoint is left when its client leaves by ${how}`, async () => {
      const backend = await python.serve("hold");
      await using product = await Product.start(proxyTo({ to: [backend.port] }));
      const atStart = product.openFiles();
      const crowd = await python.crowd(product.port(), 200);
      await until("all are served", async () => (await backend.stats()).active === 200);
      await crowd.end(how);
      await until("the endpoint is left", async () => (await backend.stats()).active === 0);
      await until("descriptors are free", () => product.openFiles() <= atStart + FEW_FILES);
      expect(closeWaits(backend.port) + closeWaits(product.port())).toBe(0);
      const { eof, failed } = await backend.stats();
      expect({ eof, failed }).toEqual(
        how === "fin" ? { eof: 200, failed: 0 } : { eof: 0, failed: 200 },
      );
      await settled(product);
    });
  }

  test.skipIf(!has("iperf3"))("#47: iperf3 at full speed, both ways, on four streams", async () => {
    const port = await python.freePort();
    const server = Bun.spawn(["iperf3", "-s", "-p", String(port), "--forceflush"], {
      stdout: "pipe",
    });
    try {
      // It says that it listens.
      await server.stdout.getReader().read();
      await using product = await Product.start(proxyTo({ to: [port], top: { workers: 2 } }));
      const run = async (...flags: string[]): Promise<IperfReport> => {
        const address = ["-c", "127.0.0.1", "-p", String(product.port())];
        const command = ["iperf3", ...address, "-P", "4", "-t", "3", "-J", ...flags];
        return (await Bun.spawn(command, { stdout: "pipe" }).stdout.json()) as IperfReport;
      };

      const up = await run();
      expect(up.error).toBeUndefined();
      const afterUp = await settled(product);
      const uploaded = up.end.sum_sent.bytes;
      expect(uploaded).toBeGreaterThan(0);
      expect(up.end.sum_received.bytes).toBeGreaterThan(0);
      const rx = afterUp.sum("l5d_srv_stream_rx_bytes_total");
      // Beside the streams there is a connection for control.
      expect(rx).toBeGreaterThanOrEqual(up.end.sum_received.bytes);
      expect(rx).toBeLessThan(uploaded + 1_000_000);

      const down = await run("-R");
      expect(down.error).toBeUndefined();
      const afterDown = await settled(product);
      const downloaded = down.end.sum_received.bytes;
      expect(downloaded).toBeGreaterThan(0);
      const tx = afterDown.sum("l5d_srv_stream_tx_bytes_total");
      expect(tx).toBeGreaterThanOrEqual(downloaded);
      expect(afterDown.sum("l5d_srv_accepts_total")).toBe(10);
      expect(product.stderr).not.toContain('"level":"error"');
    } finally {
      server.kill();
    }
  });

  test("#26: a name that does not exist refuses its clients at once", async () => {
    const interpreter = { kind: "io.l5d.fs", rootDir: "." };
    await using product = await Product.start(proxyWith(interpreter));
    const client = await python.connect(product.port());
    expect(await client.receive(1, 2)).toMatchObject({ end: "ECONNRESET" });
    const page = await settled(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "no_endpoint" })).toBe(1);
  });

  test("#26: a name that namerd does not know refuses its clients at once", async () => {
    using namerd = FakeNamerd.start();
    const interpreter = { kind: "io.l5d.namerd.http", baseUrl: namerd.baseUrl };
    await using product = await Product.start(proxyWith(interpreter));
    await until("namerd was asked", () => namerd.requests.length > 0);
    await product.line(({ msg }) => msg === "the name is bound to nothing");
    const client = await python.connect(product.port());
    expect(await client.receive(1, 2)).toMatchObject({ end: "ECONNRESET" });
  });

  test("clients that reset before they are accepted cost nobody else anything", async () => {
    const backend = await python.serve("greet", "a");
    await using product = await Product.start(proxyTo({ to: [backend.port] }));
    const atStart = product.openFiles();
    const bursts = [1, 2, 3, 4].map(() =>
      python.call("reset_burst", { port: product.port(), count: 500 }),
    );
    expect(await python.visit(product.port(), 50)).toMatchObject({ lines: { a: 50 } });
    await Promise.all(bursts);
    expect(await python.visit(product.port(), 50)).toMatchObject({ lines: { a: 50 } });
    await settled(product);
    await until("descriptors are free", () => product.openFiles() <= atStart + FEW_FILES);
    await until("the endpoint is left", async () => (await backend.stats()).active === 0);
    expect(product.process.exitCode).toBeNull();
  });

  for (const workers of [1, 2]) {
    test(`5,000 short connections leave nothing behind (${workers} workers)`, async () => {
      const backend = await python.serve("echo");
      const config = proxyTo({ to: [backend.port], top: { workers } });
      await using product = await Product.start(config);
      const atStart = product.openFiles();
      const args = { port: product.port(), count: 5_000, threads: 50, size: 1_000 };
      expect(await python.call("churn", args)).toEqual({ ok: 5_000 });
      const page = await settled(product);
      expect(page.sum("l5d_srv_accepts_total")).toBe(5_000);
      expect(page.sum("l5d_srv_stream_rx_bytes_total")).toBe(5_000_000);
      expect(page.sum("l5d_srv_stream_tx_bytes_total")).toBe(5_000_000);
      expect(page.sum("l5d_balancer_connection_open")).toBe(0);
      await until("descriptors are free", () => product.openFiles() <= atStart + FEW_FILES);
      expect(closeWaits(product.port()) + closeWaits(backend.port)).toBe(0);
    });
  }
});

interface IperfReport {
  readonly error?: string;
  readonly end: {
    readonly sum_sent: { readonly bytes: number };
    readonly sum_received: { readonly bytes: number };
  };
}
