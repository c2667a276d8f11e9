// Paths that clients bring up by the name they ask for, over real sockets: TLS that is passed on and TLS that is ended here,
// names in files and in a namerd, two workers.
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { issue, makeCa } from "../support/certs.ts";
import { FakeNamerd } from "../support/fake-namerd.ts";
import { Product, type ProductOptions } from "../support/product.ts";
import { reloadWith } from "../support/reload.ts";
import { identityFiles } from "../support/tls/config.ts";
import { helloRecords } from "../support/tls/hello-bytes.ts";
import { Peer, type PeerServer } from "../support/tls/peer.ts";
import { sendAndWait } from "../support/tls/raw-hello.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(90_000);
const withPython = test.skipIf(!has("python3"));

const running = new AsyncDisposableStack();
let peer: Peer;
/** Accepts whoever comes, and says the name of the file that leads to it. */
let endpoint: Bun.TCPSocketListener<undefined>;

beforeAll(() => {
  if (has("python3")) peer = running.use(new Peer());
});

beforeEach(() => {
  endpoint?.stop(true);
  endpoint = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.write("here") },
  });
});

afterAll(async () => {
  endpoint?.stop(true);
  await running.disposeAsync();
});

const address = (): string => `127.0.0.1:${endpoint.port}`;
/** One line of a file of names. */
const line = (at: string): string => `${at.replace(":", " ")}\n`;

interface Settings {
  readonly interpreter?: object;
  readonly cache?: object;
  readonly server?: object;
  readonly client?: object;
}

function config({ interpreter, cache, server, client }: Settings = {}): object {
  return {
    admin: { port: 0 },
    workers: 2,
    routers: [
      {
        label: "r",
        interpreter: interpreter ?? { kind: "io.l5d.fs", rootDir: "." },
        ...(cache && { bindingCache: cache }),
        ...(client && { client }),
        servers: [{ port: 0, passthrough: {}, dstName: "/svc/{sni}", ...server }],
      },
    ],
  };
}

const start = (settings: Settings, options?: ProductOptions): Promise<Product> =>
  Product.start(config(settings), {
    // As bin/linkerd-tcp sets it.
    env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "65535" },
    ...options,
  });

const hello = (serverName: string): Buffer => helloRecords({ serverName });
const names = (product: Product, state: string) => product.metric("l5d_rt_names", { state });
const created = (product: Product) => product.metric("l5d_rt_names_created_total");
const evicted = (product: Product, reason: string) =>
  product.metric("l5d_rt_names_evicted_total", { reason });
const closed = (product: Product, reason: string) =>
  product.metric("l5d_srv_close_reason_total", { reason });

/** A client that asks for a name. Resolves when the endpoint has answered. */
async function ask(product: Product, serverName: string): Promise<Socket> {
  const socket = createConnection({ port: product.port(), host: "127.0.0.1" });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.on("connect", () => socket.write(hello(serverName)));
  socket.on("data", () => resolve());
  socket.on("error", reject);
  socket.on("close", () => reject(new Error(`no answer for ${serverName}`)));
  await promise;
  return socket;
}

/** Clients that ask for these names and go once they were answered, or refused. */
async function askAll(port: number, serverNames: readonly string[]): Promise<void> {
  const left = [...serverNames];
  const one = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop())
      await sendAndWait(port, hello(name));
  };
  await Promise.all(Array.from({ length: 50 }, one));
}

test("clients reach the file of their name, one that comes later too, and others nobody", async () => {
  await using product = await start({}, { files: { "one.test": line(address()) } });
  const [a, b] = await Promise.all([ask(product, "one.test"), ask(product, "ONE.test.")]);
  expect(await names(product, "bound")).toBe(1);
  expect(await product.metric("l5d_balancer_connection_open", { dst: "/svc/one.test" })).toBe(2);
  expect((await sendAndWait(product.port(), hello("two.test"))).end).toBe("reset");
  expect([await closed(product, "no_endpoint"), await names(product, "unbound")]).toEqual([1, 1]);
  writeFileSync(join(product.folder, "two.test"), line(address()));
  await until("the file is seen", async () => (await names(product, "bound")) === 2);
  const c = await ask(product, "two.test");
  expect(await created(product)).toBe(2);
  const page = await (await product.admin("/")).text();
  expect(page).toContain("/svc/two.test");
  for (const socket of [a, b, c]) socket.destroy();
});

withPython("with TLS that is ended here, names lead on too", async () => {
  const ca = await makeCa();
  const { identity, files } = identityFiles("all", await issue(ca, { names: ["web.test"] }));
  const server = { passthrough: undefined, tls: { defaultIdentity: identity } };
  const plain = await peer.listen();
  await using product = await start(
    { server },
    { files: { ...files, "web.test": line(plain.address) } },
  );
  await reaches(product, plain, ca.certPem, "web.test");
  await reaches(product, plain, ca.certPem, "web.test");
  expect([await names(product, "bound"), await created(product)]).toEqual([1, 1]);
});

async function reaches(product: Product, to: PeerServer, ca: string, serverName: string) {
  const client = await peer.connect(product.port(), { tls: { ca, serverName } });
  await client.sendText("hello");
  const server = await to.accept();
  expect((await server.receive(5)).text).toBe("hello");
  await Promise.all([client.close(), server.close()]);
}

test("a flood of made-up names leaves room for those in use, and is forgotten", async () => {
  const files = { "busy.test": line(address()), "other.test": line(address()) };
  await using product = await start({ cache: { paths: 50, idleTtlSecs: 2 } }, { files });
  const busy = await ask(product, "busy.test");
  const made = Array.from({ length: 10_000 }, (_, index) => `n${index}.flood.test`);
  await askAll(product.port(), made);
  expect(await closed(product, "no_endpoint")).toBe(10_000);
  const live = ((await names(product, "bound")) ?? 0) + ((await names(product, "unbound")) ?? 0);
  expect(live).toBeLessThanOrEqual(50);
  const refused = (await product.metric("l5d_rt_names_refused_total")) ?? 0;
  const made2 = ((await created(product)) ?? 0) + refused;
  expect(made2).toBe(10_001);
  const warnings = product.log.filter(({ level }) => level === "warn").map(({ msg }) => msg);
  expect([...new Set(warnings)]).toEqual(["names that connections ask for are refused"]);
  expect(warnings.length).toBeLessThan(20);
  busy.write("more");
  await new Promise((resolve) => busy.once("data", resolve));
  await until("there is room again", () =>
    ask(product, "other.test").then(
      (socket) => socket.destroy() !== undefined,
      () => false,
    ),
  );
  expect(await product.metric("l5d_balancer_connection_open", { dst: "/svc/busy.test" })).toBe(1);
  await until("made-up names are let go", async () => (await names(product, "unbound")) === 0);
  busy.destroy();
});

test("a name that nobody uses is let go, with its metrics and its watch; one in use stays", async () => {
  using namerd = FakeNamerd.start();
  namerd.bind("/svc/held.test", address());
  namerd.bind("/svc/left.test", address());
  const interpreter = { kind: "io.l5d.namerd.http", baseUrl: namerd.baseUrl, namespace: "default" };
  await using product = await start({ interpreter, cache: { idleTtlSecs: 1 } });
  const held = await ask(product, "held.test");
  (await ask(product, "left.test")).destroy();
  await until("one is let go", async () => (await evicted(product, "idle")) === 1);
  await until("its watches are closed", () => namerd.openStreams() === 2);
  await until("its numbers are gone", async () => {
    const page = await (await product.admin("/metrics")).text();
    return !page.includes("left.test");
  });
  held.write("more");
  await new Promise((resolve) => held.once("data", resolve));
  (await ask(product, "left.test")).destroy();
  expect(await created(product)).toBe(3);
  held.destroy();
  await until("all are let go", async () => (await names(product, "bound")) === 0);
  await until("no watch is left", () => namerd.openStreams() === 0);
});

test("clients that hang up while their name is resolved leave nothing, and those that stay are served", async () => {
  using namerd = FakeNamerd.start();
  namerd.set("/svc/slow.test", { type: "pending" });
  namerd.set("/svc/gone.test", { type: "pending" });
  const interpreter = { kind: "io.l5d.namerd.http", baseUrl: namerd.baseUrl, namespace: "default" };
  await using product = await start({ interpreter, cache: { idleTtlSecs: 1 } });
  const leaving = Array.from({ length: 40 }, (_, index) => {
    const socket = createConnection({ port: product.port(), host: "127.0.0.1" });
    socket.on("connect", () => socket.write(hello(index % 2 === 0 ? "gone.test" : "slow.test")));
    socket.on("error", () => {});
    return socket;
  });
  const staying = [ask(product, "slow.test"), ask(product, "slow.test")];
  await until("all wait", async () => (await product.metric("l5d_srv_waiters")) === 42);
  for (const socket of leaving) socket.resetAndDestroy();
  await until("they are gone", async () => (await product.metric("l5d_srv_active")) === 2);
  await until("one name is let go", async () => (await evicted(product, "unbound")) === 1);
  expect(await names(product, "unbound")).toBe(1);
  namerd.bind("/svc/slow.test", address());
  for (const socket of await Promise.all(staying)) socket.destroy();
  await until("all are let go", async () => (await names(product, "bound")) === 0);
  await until("no watch is left", () => namerd.openStreams() === 0);
});

test("a reload changes how names are reached and how many there may be, and takes over those it names", async () => {
  const files = { "a.test": line(address()), "b.test": line(address()) };
  await using product = await start({}, { files });
  const [a, b] = [await ask(product, "a.test"), await ask(product, "b.test")];
  const client = { kind: "io.l5d.global", maxWaiters: 7 };
  const changed = await reloadWith(product, config({ client, cache: { paths: 2 } }));
  expect([changed.result, changed.plan?.items]).toEqual(["applied", []]);
  // Both are in use.
  expect((await sendAndWait(product.port(), hello("c.test"))).end).toBe("reset");
  expect(await product.metric("l5d_rt_names_refused_total", { reason: "limit" })).toBe(1);
  const routes = [{ match: { sni: ["*.a.test"] }, dstName: "/svc/a.test" }];
  await reloadWith(product, config({ client, cache: { paths: 2 }, server: { routes } }));
  expect(await names(product, "bound")).toBe(1);
  const third = await ask(product, "x.a.test");
  const opened = await product.metric("l5d_balancer_connection_open", { dst: "/svc/a.test" });
  expect(opened).toBe(2);
  await reloadWith(product, config({ server: { dstName: "/svc/a.test" } }));
  expect(await names(product, "bound")).toBeUndefined();
  for (const socket of [a, b, third]) {
    socket.write("still");
    await new Promise((resolve) => socket.once("data", resolve));
    socket.destroy();
  }
  rmSync(join(product.folder, "a.test"));
});

test("a client that waits for its name when the process drains is served", async () => {
  using namerd = FakeNamerd.start();
  namerd.set("/svc/slow.test", { type: "pending" });
  const interpreter = { kind: "io.l5d.namerd.http", baseUrl: namerd.baseUrl, namespace: "default" };
  await using product = await start({ interpreter });
  const waiting = ask(product, "slow.test");
  await until("it is asked for", () => namerd.requests.length === 1);
  product.process.kill("SIGTERM");
  await product.line(({ msg }) => msg === "shutting down");
  namerd.bind("/svc/slow.test", address());
  (await waiting).destroy();
  expect(await product.process.exited).toBe(0);
});

test("with few file descriptors made-up names leave enough for connections", async () => {
  using namerd = FakeNamerd.start();
  namerd.bind("/svc/busy.test", address());
  const interpreter = { kind: "io.l5d.namerd.http", baseUrl: namerd.baseUrl, namespace: "default" };
  await using product = await start({ interpreter }, { before: "ulimit -n 320" });
  const few = product.log.find(({ msg }) => msg.startsWith("few file descriptors"));
  expect([few?.["paths"], few?.["followed"]]).toEqual([1_000, 40]);
  const made = Array.from({ length: 300 }, (_, index) => `n${index}.flood.test`);
  const first = await ask(product, "busy.test");
  const flood = askAll(product.port(), made);
  const others = Array.from({ length: 30 }, () => ask(product, "busy.test"));
  const open = [first, ...(await Promise.all(others))];
  await flood;
  expect(product.openFiles()).toBeLessThan(320);
  expect(await closed(product, "no_endpoint")).toBe(300);
  for (const socket of open) socket.destroy();
});
