// A process that is replaced while clients come and go: by POST /upgrade and by SIGUSR2, with success and without. The
// clients are Python's, the service manager too.
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonScript } from "../support/peers/python-script.ts";
import { type PythonServer, PythonSockets } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(90_000);
/** Says, as bin/linkerd-tcp does, that the process was started as `program` in its folder. */
const STARTED_AS_PROGRAM = "LINKERD_TCP_LAUNCHER=$$:$PWD/program; export LINKERD_TCP_LAUNCHER";
const PID = expect.any(Number) as number;

describe.skipIf(!has("python3"))("an upgrade", () => {
  let python: PythonSockets;
  let backend: PythonServer;
  const lineages: Lineage[] = [];

  beforeAll(async () => {
    python = new PythonSockets();
    backend = await python.serve("echo");
  });

  afterAll(async () => python[Symbol.asyncDispose]());

  afterEach(async () => {
    for (const lineage of lineages.splice(0)) await lineage[Symbol.asyncDispose]();
  });

  function config(top: Readonly<Record<string, unknown>> = {}): unknown {
    return proxyTo({
      to: [backend.port],
      top: { workers: 2, admin: { port: 0, graceSecs: 60 }, ...top },
    });
  }

  async function start(...args: Parameters<typeof Product.start>): Promise<Product> {
    const product = await Product.start(...args);
    lineages.push(new Lineage(product));
    return product;
  }

  test("loses no connection of those that come, and lets those that stand come to their end", async () => {
    const product = await start(config());
    const port = product.port();
    const old = product.process.pid;
    const longLived = await python.connect(port);
    await longLived.write("before");
    expect(await longLived.receive(6)).toMatchObject({ text: "before" });

    await using visitors = new PythonScript("visitors.py", String(port), "6");
    const visits = (count: number) =>
      visitors.report(`${count} visits`, ({ visits: made }) => Number(made) >= count);
    await visits(500);
    const answer = await product.admin("/upgrade", { method: "POST" });
    const text = await answer.text();
    const [, next = ""] = /^Process (\d+) has taken over; this one drains\.\n$/.exec(text) ?? [];
    expect({ status: answer.status, text }).toMatchObject({ status: 200 });
    expect(Number(next)).toBeGreaterThan(0);
    const sinceUpgrade = visitors.reports.length * 500;
    await visits(sinceUpgrade + 1_500);
    const [last] = (await visitors.finish()).slice(-1);
    expect(last).toEqual({ outcomes: { ok: expect.any(Number) as number } });

    // The new process answers on the admin port, and the old one beside it.
    expect(await statusOf(product.adminPort)).toMatchObject({
      pid: Number(next),
      state: "serving",
    });
    expect(await product.metric("l5d_upgrades_total", { result: "taken-over" })).toBe(1);
    const aside = await product.line(({ msg }) => msg.startsWith("handed over"));
    expect(await statusOf(Number(/\d+$/.exec(String(aside["admin"]))?.[0]))).toMatchObject({
      pid: old,
      state: "draining",
      upgrade: { state: "done", pid: Number(next) },
    });

    await longLived.write("after");
    expect(await longLived.receive(5)).toMatchObject({ text: "after" });
    expect(product.process.exitCode).toBeNull();
    await longLived.close();
    expect(await product.process.exited).toBe(0);
    await expectEcho(port);
  });

  test("serves those who wait in the queue of the old process, which accepts none of them", async () => {
    const limited = (maxConcurrency: number) =>
      proxyTo({
        to: [backend.port],
        server: { maxConcurrency },
        top: { admin: { port: 0, graceSecs: 60 } },
      });
    const product = await start(limited(1));
    const port = product.port();
    const first = await python.connect(port);
    await first.write("first");
    expect(await first.receive(5)).toMatchObject({ text: "first" });
    const waiting = await Promise.all(Array.from({ length: 50 }, () => python.connect(port)));
    for (const client of waiting) await client.write("hello");
    rewrite(product, limited(100));
    expect((await product.admin("/upgrade", { method: "POST" })).status).toBe(200);
    const answers = await Promise.all(waiting.map((client) => client.receive(5)));
    expect(answers.filter(({ text }) => text === "hello")).toHaveLength(50);
    await first.write("again");
    expect(await first.receive(5)).toMatchObject({ text: "again" });
    await Promise.all([first, ...waiting].map((client) => client.close()));
    expect(await product.process.exited).toBe(0);
  });

  test("follows another, by SIGUSR2 too, and each process drains by itself", async () => {
    const product = await start(config());
    const [port, admin] = [product.port(), product.adminPort];
    product.process.kill("SIGUSR2");
    await until("the second process serves", () => readyPids(product).length === 2);
    expect(await product.process.exited).toBe(0);
    const [, second = 0] = readyPids(product);
    await until("the second process has the admin port", async () => {
      return (await statusOf(admin))["pid"] === second;
    });
    kill(second, "SIGUSR2");
    await until("the third process serves", () => readyPids(product).length === 3);
    await until("the second process has ended", () => !isAlive(second));
    const [, , third] = readyPids(product);
    expect(await statusOf(admin)).toMatchObject({ pid: third, state: "serving" });
    await expectEcho(port);
  });

  test("keeps what operators have said of endpoints, for as long as they have said", async () => {
    const product = await start(config());
    const endpoint = `127.0.0.1:${backend.port}`;
    const say = (body: object) =>
      product.admin("/overrides", { method: "POST", body: JSON.stringify({ endpoint, ...body }) });
    expect((await say({ enabled: false, forSecs: 3_600, dst: "/svc/web" })).status).toBe(200);
    expect((await say({ weight: 0.5 })).status).toBe(200);
    expect((await product.admin("/upgrade", { method: "POST" })).status).toBe(200);
    await until("the new process has the admin port", async () => {
      return (await statusOf(product.adminPort))["pid"] !== product.process.pid;
    });
    const status = await statusOf(product.adminPort);
    expect(status).toMatchObject({
      overrides: [
        {
          endpoint,
          dst: "/svc/web",
          enabled: false,
          expiresInSeconds: expect.any(Number) as number,
        },
        { endpoint, weight: 0.5, applies: [{ dst: "/svc/web", resolvedWeight: 1 }] },
      ],
      destinations: [{ endpoints: [{ state: "disabled", weight: 0.5 }] }],
    });
  });

  test("takes the configuration as it is now: new servers listen, others listen no more", async () => {
    const product = await start(config());
    const port = product.port();
    const extra = await python.freePort();
    rewrite(product, {
      ...(config() as Record<string, unknown>),
      routers: [
        {
          label: "test",
          interpreter: {
            kind: "io.l5d.static",
            names: { "/svc/new": [`127.0.0.1:${backend.port}`] },
          },
          servers: [{ port: extra, dstName: "/svc/new" }],
        },
      ],
    });
    expect((await product.admin("/upgrade", { method: "POST" })).status).toBe(200);
    const unwanted = await product.line(({ msg }) => msg.startsWith("no server listens on this"));
    expect(unwanted).toMatchObject({ level: "warn", address: `127.0.0.1:${port}` });
    expect(await product.process.exited).toBe(0);
    const client = await python.connect(extra);
    await client.close();
    await expect(python.connect(port)).rejects.toThrow("ECONNREFUSED");
  });

  test("with a broken configuration leaves everything as it is, and tells why", async () => {
    const product = await start(config());
    rewrite(product, { routers: [{ label: "test", servers: [{ prot: 1 }] }] });
    const answer = await product.admin("/upgrade", { method: "POST" });
    expect(answer.status).toBe(500);
    const text = await answer.text();
    expect(text).toStartWith("The upgrade failed, and this process goes on: ");
    expect(text).toContain("prot");
    await expectServing(product, "failed");
    expect(await product.line(({ msg }) => msg.startsWith("upgrade failed"))).toMatchObject({
      level: "error",
      why: expect.stringContaining("prot") as string,
    });
    rewrite(product, config());
    expect((await product.admin("/upgrade", { method: "POST" })).status).toBe(200);
  });

  test("whose new process cannot listen leaves everything as it is", async () => {
    const product = await start(config());
    const changed = config({ admin: { port: backend.port } });
    rewrite(product, changed);
    const answer = await product.admin("/upgrade", { method: "POST" });
    expect({ status: answer.status, text: await answer.text() }).toEqual({
      status: 500,
      text: expect.stringContaining(`127.0.0.1:${backend.port}: the address is in use`) as string,
    });
    await expectServing(product, "failed");
  });

  test("whose new process dies, or cannot be started, leaves everything as it is", async () => {
    const product = await start(config(), { before: STARTED_AS_PROGRAM });
    const program = join(product.folder, "program");
    for (const [text, said] of [
      ["#!/bin/sh\nexit 3\n", "(exit code 3) before it was ready"],
      ["#!/bin/sh\nkill -9 $$\n", "(signal SIGKILL) before it was ready"],
      [undefined, "could not be started"],
    ] as const) {
      rmSync(program, { force: true });
      if (text !== undefined) writeFileSync(program, text, { mode: 0o755 });
      const answer = await product.admin("/upgrade", { method: "POST" });
      expect(answer.status).toBe(500);
      expect(await answer.text()).toContain(said);
      await expectServing(product, "failed");
    }
  });

  test("is refused while another one runs", async () => {
    const product = await start(config(), { before: `mkfifo gate; ${STARTED_AS_PROGRAM}` });
    writeFileSync(join(product.folder, "program"), "#!/bin/sh\nread line <gate\n", {
      mode: 0o755,
    });
    const first = product.admin("/upgrade", { method: "POST" });
    await until("the first one runs", async () => {
      return (await statusOf(product.adminPort))["upgrade"] !== undefined;
    });
    expect(await statusOf(product.adminPort)).toMatchObject({
      upgrade: { state: "starting", pid: PID },
    });
    const second = await product.admin("/upgrade", { method: "POST" });
    expect(second.status).toBe(409);
    expect(await second.text()).toMatch(/^No upgrade: process \d+ is being started/);
    writeFileSync(join(product.folder, "gate"), "\n");
    expect((await first).status).toBe(500);
    await expectServing(product, "refused");
  });

  test("lets no reload in between, which the new process might not have seen", async () => {
    const product = await start(config(), { before: `mkfifo gate; ${STARTED_AS_PROGRAM}` });
    const program = join(product.folder, "program");
    writeFileSync(program, "#!/bin/sh\nread line <gate\n", { mode: 0o755 });
    const upgrade = product.admin("/upgrade", { method: "POST" });
    const { pid } = await product.line(({ msg }) => msg === "upgrade: a new process starts");
    rewrite(product, config({ reloadOnChange: true }));
    const reload = await product.admin("/reload", { method: "POST" });
    expect(reload.status).toBe(409);
    expect(await reload.json()).toMatchObject({
      result: "refused",
      message: `an upgrade is under way, and process ${pid} reads the file by itself: try again when it is over`,
    });
    product.process.kill("SIGHUP");
    // Signals are taken in their order.
    product.process.kill("SIGUSR2");
    await product.line(({ msg }) => msg === "upgrade refused");
    expect(product.log.some(({ msg }) => msg === "reload begins")).toBe(false);
    writeFileSync(join(product.folder, "gate"), "\n");
    expect((await upgrade).status).toBe(500);
    // Whoever asked by a signal has no answer, and gets what was asked for.
    await product.line(({ msg, generation }) => msg === "reload is over" && generation === 2);
  });

  // From here on tests run at the same time, the first of which waits for ten seconds: each ends its own processes.
  test.concurrent(
    "does not give up endpoints for names that the new process cannot resolve",
    async () => {
      await using lineage = new Lineage(await Product.start(config()));
      const { product } = lineage;
      const changed = config() as { routers: { interpreter: unknown }[] };
      const interpreter = {
        kind: "io.l5d.namerd.http",
        baseUrl: `http://127.0.0.1:${await python.deadPort()}`,
      };
      rewrite(product, {
        ...changed,
        routers: changed.routers.map((router) => ({ ...router, interpreter })),
      });
      const answer = await product.admin("/upgrade", { method: "POST" });
      expect({ status: answer.status, text: await answer.text() }).toEqual({
        status: 500,
        text: expect.stringContaining(
          "could not resolve names that this process has endpoints for: /svc/web (test)",
        ) as string,
      });
      await expectServing(product, "failed");
    },
  );

  describe("tells the service manager", () => {
    for (const kind of ["a path", "an abstract name"] as const) {
      test.concurrent(
        `at ${kind} which process is ready, which takes over, and when the end begins`,
        async () => {
          const name = `linkerd-tcp-notify-${process.pid}-${performance.now()}`;
          const address = kind === "a path" ? `/tmp/${name}` : `@${name}`;
          await using manager = new PythonScript("service-manager.py", address);
          await manager.report("it listens", ({ listening }) => listening === address);
          const said = (pid: number, line: string | RegExp) =>
            manager.report(`${pid} says ${line}`, (report) => {
              const lines = report["lines"];
              return (
                report["pid"] === pid &&
                Array.isArray(lines) &&
                lines.some((one) =>
                  line instanceof RegExp ? line.test(String(one)) : one === line,
                )
              );
            });
          const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "200000" };
          await using lineage = new Lineage(await Product.start(config(), { env }));
          const { product } = lineage;
          const old = product.process.pid;
          await said(old, "READY=1");
          const lives = () =>
            manager.reports.filter(
              ({ pid, lines }) => pid === old && String(lines) === "WATCHDOG=1",
            );
          await until("it lives, again and again", () => lives().length >= 5);
          expect((await product.admin("/upgrade", { method: "POST" })).status).toBe(200);
          const [, next = 0] = readyPids(product);
          await said(next, "READY=1");
          await said(old, `MAINPID=${next}`);
          expect(await product.process.exited).toBe(0);
          await said(next, "WATCHDOG=1");
          rewrite(product, config({ admin: { port: 0, graceSecs: 70 } }));
          kill(next, "SIGHUP");
          await until("it is in effect", () =>
            product.log.some(({ msg, generation }) => msg === "reload is over" && generation === 2),
          );
          kill(next, "SIGTERM");
          await said(next, "STOPPING=1");
          // As it is in effect, not as it was at the start.
          await said(next, /^EXTEND_TIMEOUT_USEC=75000000$/);
          await until("the new process has ended", () => !isAlive(next));
          // The service does not stop when a process of it has handed over.
          const stopping = manager.reports.filter(
            ({ pid, lines }) => pid === old && String(lines).includes("STOPPING"),
          );
          expect(stopping).toEqual([]);
        },
      );
    }
  });

  async function expectServing(product: Product, counted: string): Promise<void> {
    expect(await statusOf(product.adminPort)).toMatchObject({
      pid: product.process.pid,
      state: "serving",
    });
    expect(await product.metric("l5d_upgrades_total", { result: counted })).toBeGreaterThan(0);
    await expectEcho(product.port());
  }

  async function expectEcho(port: number): Promise<void> {
    const client = await python.connect(port);
    await client.write("hello");
    expect(await client.receive(5)).toMatchObject({ text: "hello" });
    await client.close();
  }
});

/** A product, and the processes that take over from it. All end with the `await using` block that holds it. */
class Lineage implements AsyncDisposable {
  readonly product: Product;

  constructor(product: Product) {
    this.product = product;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of pidsOf(this.product)) kill(pid, "SIGKILL");
    await this.product[Symbol.asyncDispose]();
  }
}

function rewrite(product: Product, config: unknown): void {
  writeFileSync(join(product.folder, "config.yml"), JSON.stringify(config));
}

async function statusOf(adminPort: number): Promise<Readonly<Record<string, unknown>>> {
  // A connection of its own: one that was kept may lead to the process that was there before.
  const options = { headers: { connection: "close" }, keepalive: false };
  const answer = await fetch(`http://127.0.0.1:${adminPort}/status.json`, options);
  return (await answer.json()) as Readonly<Record<string, unknown>>;
}

/** The processes that became ready, in this order. */
function readyPids(product: Product): readonly number[] {
  return product.log.filter(({ msg }) => msg === "ready").map((line) => Number(line["pid"]));
}

/** Every process that the log names. */
function pidsOf(product: Product): readonly number[] {
  return product.log.flatMap((line) => (typeof line["pid"] === "number" ? [line["pid"]] : []));
}

/** Whether it runs; one that has ended may stay in the table until its new parent looks. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}
