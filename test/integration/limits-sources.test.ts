// Limits of those who connect: by address, by block, by rate; who is told of it, and who is not.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { issue, type Issued, makeCa } from "../support/certs.ts";
import { readings } from "../support/peers/observed.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(40_000);

const HERE = "127.0.0.1";
const THERE = "127.0.0.2";

interface Offenders {
  readonly dryRun: boolean;
  readonly refusals: Readonly<Record<string, number>>;
  readonly refused: readonly { readonly source: string; readonly refusals: number }[];
  readonly connected: readonly { readonly source: string; readonly connections: number }[];
}

async function offenders(product: Product): Promise<Offenders> {
  const [only] = (await (await product.admin("/offenders.json")).json()) as [Offenders];
  return only;
}

/** Whether all threads of a process have stopped: the signal takes its time. */
function hasStopped(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.every((thread) =>
    /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, "latin1")),
  );
}

describe.skipIf(!has("python3"))("limits of those who connect", () => {
  let python: PythonSockets;
  let web: Issued;

  beforeAll(async () => {
    python = new PythonSockets();
    web = await issue(await makeCa(), { names: ["web.test"] });
  });

  afterAll(() => python[Symbol.asyncDispose]());

  /** A product with a server for `to`, and the limits. */
  const start = (to: number, limits: object, more: { workers?: number; server?: object } = {}) => {
    const server = { limits, ...more.server };
    return Product.start(proxyTo({ to: [to], server, top: { workers: more.workers ?? 1 } }));
  };

  for (const workers of [1, 2]) {
    test(`perSource.maxConnections holds for each source, in the whole process (${workers} workers)`, async () => {
      const backend = await python.serve("greet", "a");
      const limits = { perSource: { maxConnections: 5 } };
      await using product = await start(backend.port, limits, { workers });
      for (let round = 0; round < 3; round += 1) {
        const crowds = await Promise.all(
          [HERE, THERE].map((source) => python.crowd(product.port(), 40, source)),
        );
        for (const crowd of crowds)
          expect(await crowd.lines(15)).toEqual({
            lines: { a: 5 },
            ends: { ECONNRESET: 35 },
            silent: 0,
          });
        const busiest = (await offenders(product)).connected;
        expect(busiest.map(({ connections }) => connections)).toEqual([5, 5]);
        for (const crowd of crowds) await crowd.end(round === 1 ? "reset" : "fin");
        await until("all have left", async () => (await offenders(product)).connected.length === 0);
      }
      const page = await readings(product);
      expect(page.sum("l5d_srv_accepts_total")).toBe(240);
      expect(page.sum("l5d_srv_active")).toBe(0);
      expect(page.sum("l5d_srv_closes_total") + page.sum("l5d_srv_failures_total")).toBe(240);
      expect(page.sum("l5d_srv_close_reason_total", { reason: "source_limit" })).toBe(210);
      const limited = { action: "refused", rule: "source_connections" };
      expect(page.sum("l5d_srv_limited_total", limited)).toBe(210);
      expect((await backend.stats()).accepted).toBe(30);
    });
  }

  test("blocks have limits as a whole, beside those of each source", async () => {
    const backend = await python.serve("greet", "a");
    const networks = [{ cidr: "127.0.0.0/30", maxConnections: 6 }];
    const limits = { perSource: { maxConnections: 4 }, networks };
    await using product = await start(backend.port, limits, { workers: 2 });
    const served = async (source: string) => {
      const crowd = await python.crowd(product.port(), 10, source);
      return (await crowd.lines(15)).lines;
    };
    expect([await served(HERE), await served(THERE), await served("127.0.0.9")]).toEqual([
      { a: 4 },
      { a: 2 },
      { a: 4 },
    ]);
  });

  test("a rate lets a burst through, and then as many as there is time for", async () => {
    const backend = await python.serve("greet", "a");
    const limits = { connectionsPerSec: 2, burst: 10 };
    const startedMs = performance.now();
    await using product = await start(backend.port, limits, { workers: 2 });
    const report = await (await python.crowd(product.port(), 60)).lines(15);
    const elapsedSecs = (performance.now() - startedMs) / 1000;
    const served = report.lines["a"] ?? 0;
    expect(served).toBeGreaterThanOrEqual(10);
    expect(served).toBeLessThanOrEqual(10 + 2 * elapsedSecs);
    expect(report.ends).toEqual({ ECONNRESET: 60 - served });
    await until("more may come", async () => {
      return (await python.visit(product.port(), 1)).lines["a"] === 1;
    });
  });

  test("deny resets before TLS: not a byte of a handshake comes", async () => {
    const backend = await python.serve("echo");
    const server = {
      tls: { defaultIdentity: { certs: ["web.pem"], privateKey: "web.key" } },
      limits: { deny: [`${THERE}/32`] },
    };
    const files = { "web.pem": web.certPem, "web.key": web.keyPem };
    await using product = await Product.start(proxyTo({ to: [backend.port], server }), { files });
    const denied = await python.connect(product.port(), THERE);
    expect(await denied.receive(undefined, 10)).toMatchObject({ bytes: 0, end: "ECONNRESET" });
    const { promise: done, resolve } = Promise.withResolvers<boolean>();
    const allowed = await Bun.connect({
      hostname: HERE,
      port: product.port(),
      tls: { rejectUnauthorized: false },
      socket: { data() {}, handshake: () => resolve(true), close: () => resolve(false) },
    });
    expect(await done).toBe(true);
    allowed.end();
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "denied" })).toBe(1);
    expect(page.sum("l5d_srv_tls_handshake_failure_total")).toBe(0);
    expect(page.sum("l5d_srv_tls_handshake_us_count")).toBe(1);
  });

  test("behind a proxy the client of the header counts, and not the proxy", async () => {
    const backend = await python.serve("greet", "a");
    const server = { proxyProtocol: { trusted: [`${HERE}/32`], required: false } };
    const limits = { perSource: { maxConnections: 1 }, deny: ["203.0.113.66/32"] };
    await using product = await start(backend.port, limits, { server });
    const client = async (ip: string) => {
      const socket = await python.connect(product.port());
      await socket.write(`PROXY TCP4 ${ip} 198.51.100.7 5000 443\r\n`);
      return (await socket.receive(2, 15)).end;
    };
    expect([
      await client("203.0.113.1"),
      await client("203.0.113.1"),
      await client("203.0.113.2"),
      await client("203.0.113.66"),
    ]).toEqual(["all", "ECONNRESET", "all", "ECONNRESET"]);
    // From elsewhere no header is read, and the socket's own address decides at once.
    const direct = await python.crowd(product.port(), 3, THERE);
    expect(await direct.lines(15)).toMatchObject({ lines: { a: 1 }, ends: { ECONNRESET: 2 } });
  });

  test("clients who reset before they are accepted reach no endpoint, denied as they are", async () => {
    const backend = await python.serve("greet", "a");
    await using product = await start(backend.port, { deny: [`${THERE}/32`] });
    // They have no address any more by which to deny them.
    product.process.kill("SIGSTOP");
    await until("it stands still", () => hasStopped(product.process.pid));
    const crowd = await python.crowd(product.port(), 50, THERE);
    await crowd.end("reset");
    product.process.kill("SIGCONT");
    await until("all are gone", async () => {
      const page = await readings(product);
      return page.sum("l5d_srv_accepts_total") === 50 && page.sum("l5d_srv_active") === 0;
    });
    const page = await readings(product);
    expect(page.sum("l5d_srv_close_reason_total", { reason: "client_left" })).toBe(50);
    expect(page.sum("l5d_balancer_connection_attempts_total")).toBe(0);
    expect((await python.visit(product.port(), 1)).lines).toEqual({ a: 1 });
    expect((await backend.stats()).accepted).toBe(1);
  });

  test("a dry run refuses nobody, and tells who would have been", async () => {
    const backend = await python.serve("greet", "a");
    const limits = { perSource: { maxConnections: 2 }, deny: [`${THERE}/32`], dryRun: true };
    await using product = await start(backend.port, limits);
    const crowds = [
      await python.crowd(product.port(), 6, HERE),
      await python.crowd(product.port(), 3, THERE),
    ];
    expect(await Promise.all(crowds.map((crowd) => crowd.lines(15)))).toEqual([
      { lines: { a: 6 }, ends: {}, silent: 0 },
      { lines: { a: 3 }, ends: {}, silent: 0 },
    ]);
    const page = await readings(product);
    expect(page.sum("l5d_srv_limited_total", { action: "dry_run" })).toBe(7);
    expect(page.sum("l5d_srv_limited_total", { action: "refused" })).toBe(0);
    expect(await offenders(product)).toMatchObject({
      dryRun: true,
      refusals: { deny: 3, source_connections: 4 },
      refused: [
        { source: HERE, refusals: 4, rule: "source_connections" },
        { source: THERE, refusals: 3, rule: "deny" },
      ],
    });
    const line = await product.line(({ msg }) => msg === "clients would be refused (dryRun)");
    expect(line).toMatchObject({ level: "warn", worstSource: expect.any(String) });
  });

  test("a list of 10,000 blocks is read from a file; the status page shows who is refused", async () => {
    const backend = await python.serve("greet", "a");
    const blocks = Array.from({ length: 10_000 }, (_, at) => `10.${at >> 8}.${at & 255}.0/24`);
    const files = { "deny.txt": `# a long list\n${blocks.join("\n")}\n127.0.0.2 # one more\n` };
    const server = { limits: { denyFile: "deny.txt" } };
    await using product = await Product.start(proxyTo({ to: [backend.port], server }), { files });
    const denied = await python.crowd(product.port(), 4, THERE);
    expect(await denied.lines(15)).toMatchObject({ ends: { ECONNRESET: 4 }, silent: 0 });
    expect((await python.visit(product.port(), 2)).lines).toEqual({ a: 2 });
    const page = await (await product.admin("/")).text();
    expect(page).toContain("Refused since the start: deny 4");
    expect(page).toMatch(/127\.0\.0\.2<\/th><td>deny<\/td><td class="n">4</);
    const line = await product.line(({ msg }) => msg === "clients refused");
    expect(line).toMatchObject({ level: "warn", worstSource: THERE });
  });

  test("the kernel's queue is measured", async () => {
    const backend = await python.serve("greet", "a");
    await using product = await start(backend.port, {}, { server: { maxConcurrency: 1 } });
    const crowd = await python.crowd(product.port(), 4);
    await until("one is served", async () => (await backend.stats()).active === 1);
    const page = await readings(product);
    expect(page.sum("l5d_srv_accept_queue")).toBe(3);
    expect(page.sum("l5d_srv_accept_queue_limit")).toBeGreaterThanOrEqual(128);
    await crowd.lines(15, { leave: true });
    await until("the queue is empty", async () => {
      return (await readings(product)).sum("l5d_srv_accept_queue") === 0;
    });
  });
});
