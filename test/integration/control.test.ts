// What operators do with a running proxy, by the command line of the product against python's sockets.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { resolve } from "node:path";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { PythonSockets, type PythonSocket } from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product } from "../support/product.ts";
import { rewrite } from "../support/reload.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const MAIN = resolve(import.meta.dir, "../../src/main.ts");

interface Shown {
  readonly total: number;
  readonly connections: readonly {
    readonly id: string;
    readonly client: string;
    readonly endpoint: string;
    readonly rxBytes: number;
  }[];
}

/** Runs `linkerd-tcp ctl` and answers its JSON. */
async function ctl(product: Product, ...words: readonly string[]): Promise<unknown> {
  const admin = ["--admin-addr", `127.0.0.1:${product.adminPort}`, "--json"];
  const child = Bun.spawn([process.execPath, "--no-env-file", MAIN, "ctl", ...words, ...admin], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(err);
  return JSON.parse(out);
}

describe.skipIf(!has("python3"))("ctl", () => {
  let python: PythonSockets;

  beforeAll(() => {
    python = new PythonSockets();
  });

  afterAll(() => python[Symbol.asyncDispose]());

  /** A proxy with two workers for two endpoints, and connections to it. */
  async function scene(clients: number) {
    const [a, b] = [await python.serve("echo"), await python.serve("echo")];
    const product = await Product.start(proxyTo({ to: [a.port, b.port], top: { workers: 2 } }));
    const open = async (): Promise<PythonSocket> => {
      const socket = await python.connect(product.port());
      await socket.write("hi");
      await socket.receive(2);
      return socket;
    };
    const sockets: PythonSocket[] = [];
    for (let count = 0; count < clients; count += 1) sockets.push(await open());
    return { product, a: `127.0.0.1:${a.port}`, b: `127.0.0.1:${b.port}`, open, sockets };
  }

  const counts = async (product: Product, endpoint: string): Promise<number> =>
    ((await ctl(product, "connections", "--endpoint", endpoint)) as Shown).total;

  test("shows connections by what they are, and kills the ones that are meant", async () => {
    const { product, a, b } = await scene(10);
    await using _ = product;
    const all = (await ctl(product, "connections")) as Shown;
    expect(all.total).toBe(10);
    expect(new Set(all.connections.map(({ id }) => id)).size).toBe(10);
    expect(all.connections.map(({ rxBytes }) => rxBytes)).toEqual(Array(10).fill(2));
    expect((await counts(product, a)) + (await counts(product, b))).toBe(10);
    expect(await ctl(product, "connections", "--source", "10.0.0.0/8")).toMatchObject({ total: 0 });
    expect(await ctl(product, "connections", "--min-bytes", "5")).toMatchObject({ total: 0 });

    const [one, two] = all.connections;
    expect(await ctl(product, "kill", one?.id ?? "", two?.id ?? "")).toMatchObject({ total: 2 });
    await until(
      "both are gone",
      async () => ((await ctl(product, "connections")) as Shown).total === 8,
    );
    expect(await product.metric("l5d_srv_close_reason_total", { reason: "killed" })).toBe(2);
    const onB = await counts(product, b);
    expect(await ctl(product, "kill", "--endpoint", a)).toMatchObject({ total: 8 - onB });
    await until("only the others are left", async () => (await counts(product, a)) === 0);
    expect(await counts(product, b)).toBe(onB);
  });

  test("takes an endpoint out, drains it, and lets it in again", async () => {
    const { product, a, b, open } = await scene(10);
    await using _ = product;
    const before = await counts(product, b);
    const words = ["--endpoint", a, "--window", "0.2", "--deadline", "5", "--stop-new"];
    expect(await ctl(product, "drain", ...words)).toMatchObject({ total: 10 - before });
    await until("it is drained", async () => (await counts(product, a)) === 0);
    expect(await product.metric("l5d_srv_close_reason_total", { reason: "drained" })).toBe(
      10 - before,
    );
    for (let count = 0; count < 6; count += 1) await open();
    expect([await counts(product, a), await counts(product, b)]).toEqual([0, before + 6]);
    expect(await ctl(product, "overrides")).toMatchObject([
      { endpoint: a, enabled: false, applies: [{ dst: "/svc/web", resolvedWeight: 1 }] },
    ]);
    expect(await product.metric("l5d_overrides")).toBe(1);
    expect(await ctl(product, "status")).toMatchObject({
      servers: [{ accepts: true, connections: before + 6, waiting: 0, acceptQueue: 0 }],
      overrides: [{ endpoint: a, enabled: false }],
      destinations: [{ waiting: 0, retryBudget: expect.any(Number) as number }],
    });
    expect(await ctl(product, "enable", a)).toEqual([]);
    for (let count = 0; count < 6; count += 1) await open();
    expect(await counts(product, a)).toBeGreaterThan(0);
  });

  test("closes a server for new connections, which a reload does not change", async () => {
    const { product, a, b, sockets } = await scene(2);
    await using _ = product;
    const server = `127.0.0.1:${product.port()}`;
    const words = ["--server", server, "--window", "300", "--deadline", "600", "--stop-new"];
    expect(await ctl(product, "drain", ...words)).toMatchObject({ total: 2 });
    expect(await ctl(product, "status")).toMatchObject({
      servers: [{ address: server, accepts: false, connections: 2 }],
    });
    expect(await ctl(product, "reload")).toMatchObject({ result: "unchanged" });
    await expect(python.connect(product.port())).rejects.toThrow("ECONNREFUSED");
    const names = { "/svc/web": [a, b] };
    const renamed = {
      admin: { port: product.adminPort },
      workers: 2,
      routers: [
        {
          label: "other",
          interpreter: { kind: "io.l5d.static", names },
          servers: [{ port: product.port(), dstName: "/svc/web" }],
        },
      ],
    };
    rewrite(product, renamed);
    expect(await ctl(product, "reload")).toMatchObject({ result: "applied" });
    // As a server of another router it is another one, and binds anew.
    const client = await python.connect(product.port());
    await client.write("x");
    expect(await client.receive(1)).toMatchObject({ text: "x" });
    await Promise.all([client, ...sockets].map((socket) => socket.close()));
  });

  test("weighs an endpoint for a while", async () => {
    const { product, a, b, open } = await scene(0);
    await using _ = product;
    await ctl(product, "weight", a, "0", "--for", "3");
    for (let count = 0; count < 6; count += 1) await open();
    expect([await counts(product, a), await counts(product, b)]).toEqual([0, 6]);
    await product.line(({ msg }) => msg === "an override has expired");
    expect(await ctl(product, "overrides")).toEqual([]);
    for (let count = 0; count < 6; count += 1) await open();
    expect(await counts(product, a)).toBeGreaterThan(0);
  });

  test("says what it does not find", async () => {
    const { product } = await scene(0);
    await using _ = product;
    const wrong = (...words: string[]) => ctl(product, ...words).catch(String);
    expect(await wrong("kill", "--endpoint", "10.9.9.9:1")).toContain(
      "no destination has the endpoint 10.9.9.9:1",
    );
    expect(await wrong("connections", "--dst", "/svc/none")).toContain(
      "there is no destination /svc/none; there are /svc/web of",
    );
    expect(await wrong("kill", "--server", "127.0.0.1:1")).toContain("no server listens on");
  });
});
