// Listening sockets that were opened before the product started, as systemd does it; here Python does.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { proxyTo } from "../support/peers/proxy-config.ts";
import {
  type PythonServer,
  type PythonSocket,
  PythonSockets,
} from "../support/peers/python-sockets.ts";
import { has } from "../support/peers/tools.ts";
import { Product, type ProductOptions } from "../support/product.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const ACTIVATE = join(import.meta.dir, "../support/peers/activate.py");

describe.skipIf(!has("python3"))("an inherited socket", () => {
  let python: PythonSockets;
  let backend: PythonServer;

  beforeAll(async () => {
    python = new PythonSockets();
    backend = await python.serve("echo");
  });

  afterAll(async () => python[Symbol.asyncDispose]());

  /** The product with one server on `port`, started by activate.py. */
  function start(port: number, how: string, rest: ProductOptions = {}): Promise<Product> {
    const before = `set -- python3 ${ACTIVATE} ${how} "$@"`;
    return Product.start(proxyTo({ to: [backend.port], server: { port } }), { before, ...rest });
  }

  async function expectEcho(client: PythonSocket): Promise<void> {
    await client.write("hello");
    expect(await client.receive(5)).toMatchObject({ text: "hello" });
    await client.close();
  }

  test("is served, with the connections that wait in it since before the start", async () => {
    const port = await python.freePort();
    const starting = start(port, `--listen 127.0.0.1:${port}:web --queued 50`);
    const clients: PythonSocket[] = [];
    await until("clients have connected", async () => {
      const client = await python.connect(port).catch(() => undefined);
      if (client !== undefined) clients.push(client);
      return clients.length === 50;
    });
    await using product = await starting;
    expect(product.port()).toBe(port);
    await Promise.all(clients.map(expectEcho));
    await expectEcho(await python.connect(port));
    expect(product.log.filter(({ level }) => level === "warn")).toEqual([]);
  });

  test("that no server wants is closed with a warning that names it, and others are bound", async () => {
    const [port, unwanted] = [await python.freePort(), await python.freePort()];
    await using product = await start(port, `--listen 127.0.0.1:${unwanted}:old-web`);
    await expectEcho(await python.connect(port));
    expect(await product.line(({ level }) => level === "warn")).toMatchObject({
      msg: "no server listens on this inherited socket: it is closed",
      address: `127.0.0.1:${unwanted}`,
      name: "old-web",
    });
    await expect(python.connect(unwanted)).rejects.toThrow("ECONNREFUSED");
  });

  test("meant for another process is left alone", async () => {
    const port = await python.freePort();
    const how = `--pid 1 --listen 127.0.0.1:${port}`;
    await using product = await start(port, how, { waitUntilServing: false });
    expect(await product.process.exited).toBe(71);
    expect(product.stderr).toContain(`127.0.0.1:${port}: the address is in use`);
  });

  test("of another IP address but with the port of a server is pointed out", async () => {
    const port = await python.freePort();
    const how = `--listen 0.0.0.0:${port}:web`;
    await using product = await start(port, how, { waitUntilServing: false });
    expect(await product.process.exited).toBe(71);
    await until("the reason stands there", () =>
      product.stderr.includes("write the same IP address"),
    );
    expect(product.stderr).toContain(
      `socket 0.0.0.0:${port} (name "web") is not 127.0.0.1:${port}`,
    );
  });

  test("that is no socket ends the start with a message that names the descriptor", async () => {
    const port = await python.freePort();
    const how = `--listen 127.0.0.1:${port} --file /etc/passwd`;
    await using product = await start(port, how, { waitUntilServing: false });
    expect(await product.process.exited).toBe(71);
    await until("the reason stands there", () => product.stderr.includes("\n"));
    expect(product.stderr).toStartWith(
      'Cannot use the inherited descriptor 4 (name "file"): it is a file or a pipe, and a listening TCP socket is expected.',
    );
  });

  test("cannot be used without the C library, which is said", async () => {
    const port = await python.freePort();
    const how = `--listen 127.0.0.1:${port}`;
    const env = { LINKERD_TCP_FFI: "off" };
    await using product = await start(port, how, { env, waitUntilServing: false });
    expect(await product.process.exited).toBe(71);
    await until("the reason stands there", () => product.stderr.includes("in use"));
    expect(product.stderr).toContain("inherited sockets are not used");
  });

  test("is handed on by an upgrade", async () => {
    const port = await python.freePort();
    await using product = await start(port, `--listen 127.0.0.1:${port}:web`);
    expect((await product.admin("/upgrade", { method: "POST" })).status).toBe(200);
    const { pid } = await product.line(({ msg }) => msg === "upgrade: a new process starts");
    try {
      expect(await product.process.exited).toBe(0);
      await expectEcho(await python.connect(port));
    } finally {
      process.kill(Number(pid), "SIGKILL");
    }
  });
});
