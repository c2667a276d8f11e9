// Bytes through TLS: towards clients, towards endpoints, on both sides at once. Nothing is lost, and each end travels.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { Peer, type PeerServer, type PeerStream } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

const withPython = test.skipIf(!has("python3"));
const MIB = 1 << 20;
/** Where TLS is spoken. */
const MODES = {
  "TLS from clients": { client: true, endpoint: false },
  "TLS to endpoints": { client: false, endpoint: true },
  "TLS on both sides": { client: true, endpoint: true },
} as const;
type Mode = keyof typeof MODES;
const EACH = Object.keys(MODES) as Mode[];
/** Around the size of a record, and of what the kernel takes at once. */
const SIZES = [0, 1, 16_383, 16_384, 16_385, 65_536, MIB + 1, 64 * MIB];
const LONG_MS = 20_000;

const running = new AsyncDisposableStack();
const endpoints = new Map<Mode, PeerServer>();
let ca: Ca;
/** Two processes, so that neither waits for the other. */
let clients: Peer;
let product: Product;

beforeAll(async () => {
  ca = await makeCa();
  const outer = identityFiles("outer", await issue(ca, { names: ["outer.test"] }));
  const inner = await issue(ca, { names: ["inner.test"] });
  clients = running.use(new Peer());
  const servers = running.use(new Peer());
  for (const mode of EACH)
    endpoints.set(mode, await servers.listen(MODES[mode].endpoint ? { tls: inner } : {}));
  const tls = { dnsName: "inner.test", trustCerts: ["ca.pem"] };
  const secure = EACH.filter((mode) => MODES[mode].endpoint).map((mode) => dst(mode));
  product = running.use(
    await Product.start(
      proxyConfig(
        EACH.map((mode) => ({
          to: [endpointOf(mode).address],
          dst: dst(mode),
          ...(MODES[mode].client ? { tls: { defaultIdentity: outer.identity } } : {}),
        })),
        { kind: "io.l5d.static", configs: secure.map((prefix) => ({ prefix, tls })) },
      ),
      { files: { ...outer.files, "ca.pem": ca.certPem } },
    ),
  );
});

afterAll(() => running.disposeAsync());

function dst(mode: Mode): string {
  return `/svc/${EACH.indexOf(mode)}`;
}

function endpointOf(mode: Mode): PeerServer {
  const endpoint = endpoints.get(mode);
  if (endpoint === undefined) throw new Error(`no endpoint for ${mode}`);
  return endpoint;
}

function connect(mode: Mode): Promise<PeerStream> {
  const tls = { ca: ca.certPem, serverName: "outer.test" };
  return clients.connect(product.port(dst(mode)), MODES[mode].client ? { tls } : {});
}

/** A connection through the product, both of its ends. The endpoint's is there once the client has spoken. */
async function join(
  mode: Mode,
): Promise<{ readonly client: PeerStream; readonly server: PeerStream }> {
  const [client, server] = await Promise.all([connect(mode), endpointOf(mode).accept()]);
  return { client, server };
}

/** How an ended direction shows to the client, and to the endpoint. */
function endFor(mode: Mode, side: "client" | "endpoint"): "close_notify" | "fin" {
  return MODES[mode][side] ? "close_notify" : "fin";
}

withPython(
  "what a client sends early waits for the endpoint's handshake and is delivered",
  async () => {
    await using peer = new Peer();
    const inner = await issue(ca, { names: ["inner.test"] });
    const endpoint = await peer.listen({ tls: inner, hold: true });
    const outer = identityFiles("outer", await issue(ca, { names: ["outer.test"] }));
    await using own = await Product.start(
      proxyConfig(
        [
          { to: [endpoint.address], dst: "/svc/plain" },
          { to: [endpoint.address], dst: "/svc/tls", tls: { defaultIdentity: outer.identity } },
        ],
        { kind: "io.l5d.global", tls: { dnsName: "inner.test", trustCerts: ["ca.pem"] } },
      ),
      { files: { ...outer.files, "ca.pem": ca.certPem } },
    );
    const tls = { ca: ca.certPem, serverName: "outer.test" };
    for (const [path, options] of [
      ["/svc/plain", {}],
      ["/svc/tls", { tls }],
    ] as const) {
      const client = await clients.connect(own.port(path), options);
      // More than is kept, so that the rest waits in the kernel.
      const sending = client.send(4 * MIB);
      const srv_addr = `127.0.0.1:${own.port(path)}`;
      await until("early bytes were read", async () => {
        return ((await own.metric("l5d_srv_stream_rx_bytes_total", { srv_addr })) ?? 0) > 0;
      });
      await endpoint.release();
      const server = await endpoint.accept();
      const got = server.receive();
      const sha256 = await sending;
      await client.shutdown();
      expect(await got).toMatchObject({ size: 4 * MIB, sha256, end: "close_notify" });
      await endpoint.hold();
    }
  },
);

withPython(
  "a client that ended early gets its answer after the endpoint's slow handshake",
  async () => {
    await using peer = new Peer();
    const endpoint = await peer.listen({
      tls: await issue(ca, { names: ["inner.test"] }),
      hold: true,
    });
    await using own = await Product.start(
      proxyConfig([{ to: [endpoint.address] }], {
        kind: "io.l5d.global",
        tls: { dnsName: "inner.test", trustCerts: ["ca.pem"] },
      }),
      { files: { "ca.pem": ca.certPem } },
    );
    const client = await clients.connect(own.port());
    await client.sendText("question");
    await client.shutdown();
    await until("the endpoint is asked", async () => (await endpoint.stats()).accepted === 1);
    await endpoint.release();
    const server = await endpoint.accept();
    expect(await server.receive()).toMatchObject({ text: "question", end: "close_notify" });
    await server.sendText("answer");
    await server.shutdown();
    expect(await client.receive()).toMatchObject({ text: "answer", end: "fin" });
  },
);

withPython(
  "two hundred connections at once, with TLS on both sides, each get their own bytes",
  async () => {
    await using peer = new Peer();
    const endpoint = await peer.listen({ tls: await issue(ca, { names: ["inner.test"] }) });
    await endpoint.echoAll();
    const outer = identityFiles("outer", await issue(ca, { names: ["outer.test"] }));
    await using own = await Product.start(
      proxyConfig(
        [{ to: [endpoint.address], tls: { defaultIdentity: outer.identity } }],
        { kind: "io.l5d.global", tls: { dnsName: "inner.test", trustCerts: ["ca.pem"] } },
        { workers: 2 },
      ),
      { files: { ...outer.files, "ca.pem": ca.certPem } },
    );
    const tls = { ca: ca.certPem, serverName: "outer.test" };
    await Promise.all(
      Array.from({ length: 200 }, async (_, seed) => {
        const stream = await clients.connect(own.port(), { tls });
        const echoed = stream.receive();
        const sha256 = await stream.send(20_000 + seed, seed);
        await stream.shutdown();
        expect(await echoed).toMatchObject({ size: 20_000 + seed, sha256, end: "close_notify" });
        await stream.close();
      }),
    );
    await until("all have ended", async () => (await own.metric("l5d_srv_active")) === 0);
    expect(await own.metric("l5d_srv_accepts_total")).toBe(200);
    expect(await own.metric("l5d_srv_closes_total")).toBe(200);
    expect(await own.metric("l5d_srv_tls_handshake_us_count")).toBe(200);
  },
  LONG_MS,
);

withPython(
  "more clients than there are descriptors are served one after the other, and the thread stays calm",
  async () => {
    await using peer = new Peer();
    const endpoint = await peer.listen({ tls: await issue(ca, { names: ["inner.test"] }) });
    await endpoint.echoAll();
    const outer = identityFiles("outer", await issue(ca, { names: ["outer.test"] }));
    const config = proxyConfig(
      [{ to: [endpoint.address], tls: { defaultIdentity: outer.identity } }],
      { kind: "io.l5d.global", tls: { dnsName: "inner.test", trustCerts: ["ca.pem"] } },
    );
    const files = { ...outer.files, "ca.pem": ca.certPem };
    await using own = await Product.start(config, { files, before: "ulimit -n 110" });
    const cpu = async () => (await own.metric("process_cpu_seconds_total")) ?? 0;
    const silent = await Promise.all(
      Array.from({ length: 120 }, () => clients.connect(own.port())),
    );
    const paused = async () => (await own.metric("l5d_srv_accept_paused")) === 1;
    await until("accepting has paused", paused);
    expect(await own.metric("l5d_srv_active")).toBeLessThan(60);
    const before = await cpu();
    const started = performance.now();
    await until("a while has passed", () => performance.now() - started > 400);
    expect((await cpu()) - before).toBeLessThan(0.2);
    await Promise.all(silent.map((stream) => stream.close()));
    const tls = { ca: ca.certPem, serverName: "outer.test" };
    await Promise.all(
      Array.from({ length: 120 }, async () => {
        const stream = await clients.connect(own.port(), { tls });
        await stream.sendText("ping");
        expect(await stream.receive(4)).toMatchObject({ text: "ping" });
        await stream.shutdown();
        expect(await stream.receive()).toMatchObject({ end: "close_notify" });
        await stream.close();
      }),
    );
    await until("all have ended", async () => (await own.metric("l5d_srv_active")) === 0);
    expect(await own.metric("l5d_srv_accepts_total")).toBe(240);
    expect(await own.metric("l5d_srv_close_reason_total", { reason: "eof" })).toBe(120);
  },
  LONG_MS,
);

describe.each(EACH)("%s", (mode) => {
  for (const size of SIZES) {
    withPython(
      `${size} bytes go each way whole, the client ending first`,
      async () => {
        const { client, server } = await join(mode);
        const asked = server.receive();
        const sent = await client.send(size, 1);
        await client.shutdown();
        expect(await asked).toMatchObject({ size, sha256: sent, end: endFor(mode, "endpoint") });
        const answered = client.receive();
        const answer = await server.send(size, 2);
        await server.shutdown();
        expect(await answered).toMatchObject({ size, sha256: answer, end: endFor(mode, "client") });
        await Promise.all([client.close(), server.close()]);
      },
      LONG_MS,
    );
  }

  withPython("the endpoint may end first, and the client goes on sending", async () => {
    const { client, server } = await join(mode);
    await server.sendText("greeting");
    await server.shutdown();
    expect(await client.receive()).toMatchObject({ text: "greeting", end: endFor(mode, "client") });
    const got = server.receive();
    const sent = await client.send(3 * MIB);
    await client.shutdown();
    expect(await got).toMatchObject({ sha256: sent, end: endFor(mode, "endpoint") });
  });

  withPython("both sides may send at the same time", async () => {
    const { client, server } = await join(mode);
    const size = 8 * MIB;
    const send = async (stream: PeerStream, seed: number) => {
      const sha256 = await stream.send(size, seed);
      await stream.shutdown();
      return sha256;
    };
    const [fromClient, fromServer, atServer, atClient] = await Promise.all([
      send(client, 3),
      send(server, 4),
      server.receive(),
      client.receive(),
    ]);
    expect(atServer).toMatchObject({ size, sha256: fromClient });
    expect(atClient).toMatchObject({ size, sha256: fromServer });
  });

  withPython("many small writes arrive in order", async () => {
    const { client, server } = await join(mode);
    let all = "";
    for (let n = 0; n < 300; n += 1) {
      all += `${n} `;
      await client.sendText(`${n} `);
    }
    await client.shutdown();
    expect(await server.receive()).toMatchObject({ text: all });
  });

  withPython(
    "an end without close_notify is an end all the same, and all before it arrives",
    async () => {
      const { client, server } = await join(mode);
      const got = server.receive();
      const sent = await client.send(MIB);
      await client.fin();
      expect(await got).toMatchObject({ sha256: sent, end: endFor(mode, "endpoint") });
      await server.sendText("answer");
      await server.fin();
      expect(await client.receive()).toMatchObject({ text: "answer", end: endFor(mode, "client") });
    },
  );

  withPython("a reset by the client is a reset for the endpoint", async () => {
    const { client, server } = await join(mode);
    await client.sendText("x");
    expect(await server.receive(1)).toMatchObject({ text: "x" });
    await client.reset();
    expect(await server.receive()).toMatchObject({ end: "reset" });
  });

  withPython("a reset by the endpoint is a reset for the client", async () => {
    const { client, server } = await join(mode);
    await server.sendText("x");
    expect(await client.receive(1)).toMatchObject({ text: "x" });
    await server.reset();
    expect(await client.receive()).toMatchObject({ end: "reset" });
  });

  withPython("what was sent before a reset arrives before it", async () => {
    const { client, server } = await join(mode);
    const before = await passedOn(mode);
    const sha256 = await client.send(64 * 1024);
    await until("all of it was read", async () => (await passedOn(mode)) === before + 64 * 1024);
    await client.reset();
    const received = await server.receive();
    expect(received).toMatchObject({ size: 64 * 1024, sha256, end: "reset" });
  });

  for (const [reader, writer] of [
    ["client", "endpoint"],
    ["endpoint", "client"],
  ] as const) {
    withPython(
      `a stalled ${reader} stops the ${writer}, and memory stays bounded`,
      async () => {
        const { client, server } = await join(mode);
        const [slow, fast] = reader === "client" ? [client, server] : [server, client];
        const size = 64 * MIB;
        const before = privateBytes();
        const passedBefore = await passedOn(mode);
        let sent: string | undefined;
        const sending = fast.send(size).then((sha256) => (sent = sha256));
        await untilStill(passedBefore, async () => passedOn(mode));
        expect(sent).toBeUndefined();
        expect(privateBytes() - before).toBeLessThan(24 * MIB);
        const received = slow.receive(size);
        expect(await received).toMatchObject({ size, sha256: await sending });
        await Promise.all([client.close(), server.close()]);
      },
      LONG_MS,
    );
  }
});

/** Bytes of all clients of a mode, both ways. */
async function passedOn(mode: Mode): Promise<number> {
  const srv_addr = `127.0.0.1:${product.port(dst(mode))}`;
  const [rx = 0, tx = 0] = await Promise.all([
    product.metric("l5d_srv_stream_rx_bytes_total", { srv_addr }),
    product.metric("l5d_srv_stream_tx_bytes_total", { srv_addr }),
  ]);
  return rx + tx;
}

/** Waits until a number has grown and then stood still for a while. */
async function untilStill(first: number, look: () => Promise<number>): Promise<void> {
  let last = first;
  let looks = 0;
  await until("the number stands still", async () => {
    const now = await look();
    looks = now === last ? looks + 1 : 0;
    last = now;
    return now > first && looks > 10;
  });
}

function privateBytes(): number {
  const status = readFileSync(`/proc/${product.process.pid}/status`, "utf8");
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
