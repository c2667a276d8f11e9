// TLS that is passed on by the name in its hello, over real sockets: clients of OpenSSL, Python, curl and Bun, and hellos
// made by hand. Endpoints are Python's TLS servers, or ones that show what came byte by byte.
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { createConnection, type Socket } from "node:net";
import { connect } from "node:tls";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { reloadWith, touched } from "../support/reload.ts";
import { EXTENSION, type HelloParts, helloRecords } from "../support/tls/hello-bytes.ts";
import { sClient } from "../support/tls/openssl.ts";
import { Peer, type PeerServer } from "../support/tls/peer.ts";
import { sendAndWait } from "../support/tls/raw-hello.ts";
import { has, run } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const withPython = test.skipIf(!has("python3"));
const withOpenssl = test.skipIf(!has("python3") || !has("openssl"));
const withCurl = test.skipIf(!has("python3") || !has("curl"));

const running = new AsyncDisposableStack();
let peer: Peer;
let ca: Ca;
/** Endpoints with a certificate each, which echo. */
let one: PeerServer;
let two: PeerServer;
/** Shows what came, as it came. */
let raw: PeerServer;

beforeAll(async () => {
  ca = await makeCa();
  peer = running.use(new Peer());
  // A process of their own, as each peer does one thing at a time.
  const servers = running.use(new Peer());
  const identity = (name: string) => issue(ca, { names: [name] });
  one = await servers.listen({ tls: await identity("one.test") });
  two = await servers.listen({ tls: await identity("two.test") });
  await Promise.all([one.echoAll(), two.echoAll()]);
});

beforeEach(async () => {
  raw = await peer.listen();
});

afterAll(() => running.disposeAsync());

/** A file with one server that passes TLS on. */
function config(server: object, client?: unknown) {
  const names = {
    "/svc/one": [one.address],
    "/svc/two": [two.address],
    "/svc/raw": [raw.address],
  };
  const interpreter = { kind: "io.l5d.static", names };
  const servers = [{ port: 0, passthrough: { helloTimeoutMs: 20_000 }, ...server }];
  return { admin: { port: 0 }, routers: [{ label: "r", interpreter, servers, client }] };
}
const BY_NAME = {
  routes: [
    { match: { sni: ["one.test"] }, dstName: "/svc/one" },
    { match: { sni: ["*.test"] }, dstName: "/svc/two" },
  ],
};
const TO_RAW = { dstName: "/svc/raw" };

const start = (server: object, client?: unknown) => Product.start(config(server, client));
const reason = (product: Product, name: string) =>
  product.metric("l5d_srv_close_reason_total", { reason: name });
const otherwise = (product: Product, name: string) =>
  product.metric("l5d_srv_otherwise_total", { case: name });

/** A client that sends `bytes` in portions of `size`, each a segment of its own. */
async function sendCut(port: number, bytes: Uint8Array, size: number): Promise<Socket> {
  const socket = createConnection({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  for (let at = 0; at < bytes.length; at += size) {
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.write(bytes.subarray(at, at + size), () => resolve());
    await promise;
  }
  return socket;
}

describe("TLS that is passed on reaches the endpoint of its name", () => {
  withOpenssl("from OpenSSL, with TLS 1.2 and 1.3, and no key in the proxy", async () => {
    await using product = await start(BY_NAME);
    const name = async (...args: string[]) => (await sClient(product.port(), ...args)).name;
    for (const version of ["-tls1_2", "-tls1_3"]) {
      expect(await name(version, "-servername", "one.test")).toBe("one.test");
      expect(await name(version, "-servername", "x.test")).toBe("two.test");
    }
    expect((await sClient(product.port(), "-servername", "other.example")).ok).toBe(false);
    expect((await sClient(product.port())).ok).toBe(false);
    expect([
      await otherwise(product, "no_route"),
      await otherwise(product, "no_server_name"),
    ]).toEqual([1, 1]);
  });

  withPython("from Python, with much to say in both directions", async () => {
    await using product = await start(BY_NAME);
    const size = 3 << 20;
    for (const serverName of ["one.test", "two.test"]) {
      const client = await peer.connect(product.port(), { tls: { ca: ca.certPem, serverName } });
      const sent = client.send(size);
      const received = client.receive(size);
      expect((await received).sha256).toBe(await sent);
      await client.close();
    }
  });

  withCurl("from curl", async () => {
    await using product = await start(BY_NAME);
    const { stderr } = await run([
      ...["curl", "-sv", "-k", "--max-time", "2", "--http0.9"],
      ...["--connect-to", `two.test:443:127.0.0.1:${product.port()}`, "https://two.test/"],
    ]);
    expect(stderr).toContain("CN=two.test");
  });

  withPython("from Bun, with a post-quantum key share in two segments", async () => {
    await using product = await start(BY_NAME);
    const socket = connect({
      port: product.port(),
      host: "127.0.0.1",
      servername: "one.test",
      ca: ca.certPem,
    });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    socket.on("secureConnect", () => socket.write("ping"));
    socket.on("data", (bytes: Buffer) => resolve(bytes.toString()));
    socket.on("error", reject);
    expect(await promise).toBe("ping");
    socket.destroy();
  });
});

describe("a hello is read and passed on as it came", () => {
  const large: HelloParts = {
    serverName: "one.test",
    alpn: ["\n\n", "h2"],
    extensions: [
      [EXTENSION.grease, new Uint8Array(0)],
      [EXTENSION.keyShare, new Uint8Array(1_500).fill(3)],
    ],
  };
  const longest: HelloParts = {
    serverName: "one.test",
    extensions: [[EXTENSION.padding, new Uint8Array(16_000)]],
  };
  const outer: HelloParts = {
    serverName: "one.test",
    extensions: [[EXTENSION.ech, new Uint8Array([0, ...new Uint8Array(250)])]],
  };
  const sizes = Array.from({ length: 400 }, () => 4);

  test.skipIf(!has("python3")).each([
    ["a segment for each byte", helloRecords(large), 1],
    ["records of four bytes", helloRecords(large, sizes), 10_000],
    ["records of four bytes and segments of three", helloRecords(large, sizes), 3],
    ["the longest that is read, in segments of 1000 bytes", helloRecords(longest), 1_000],
    ["the outer one of an encrypted hello", helloRecords(outer), 10_000],
  ])("in %s", async (_, bytes, size) => {
    await using product = await start({
      routes: [{ match: { sni: ["one.test"] }, dstName: "/svc/raw" }],
    });
    const socket = await sendCut(product.port(), bytes, size);
    const server = await raw.accept();
    socket.end("and more");
    const { text } = await server.receive();
    const whole = Buffer.concat([bytes, Buffer.from("and more")]);
    expect(text).toBe(whole.toString("latin1").slice(0, text.length));
    expect(await product.metric("l5d_srv_stream_rx_bytes_total")).toBe(whole.length);
    await server.close();
    socket.destroy();
  });

  withPython(
    "with a PROXY header before it, and one to the endpoint that tells its name",
    async () => {
      const client = {
        kind: "io.l5d.global",
        proxyProtocol: { version: 2, tlvs: ["authority", "alpn"] },
      };
      const server = { ...TO_RAW, proxyProtocol: { trusted: ["127.0.0.0/8"] } };
      await using product = await start(server, client);
      const hello = helloRecords({ serverName: "One.Test.", alpn: ["h2"] });
      const line = Buffer.from("PROXY TCP4 203.0.113.9 198.51.100.7 5000 443\r\n");
      const socket = await sendCut(product.port(), Buffer.concat([line, hello]), 7);
      const stream = await raw.accept();
      socket.end();
      const { text } = await stream.receive();
      expect(text.endsWith(hello.toString("latin1"))).toBe(true);
      const header = Buffer.from(text.slice(0, text.length - hello.length), "latin1");
      // TLVs: ALPN is 1, authority is 2 (proxy-protocol.txt §2.2).
      const tlvs = header.subarray(16 + 12).toString("latin1");
      expect([...header.subarray(16, 20)]).toEqual([203, 0, 113, 9]);
      expect(tlvs).toContain("\u0001\u0000\u0002h2");
      expect(tlvs).toContain("\u0002\u0000\u0008one.test");
      await stream.close();
    },
  );
});

describe("what is no hello", () => {
  withPython("has its answer: a reset, an end in good order, or a path of its own", async () => {
    await using resets = await start(TO_RAW);
    expect((await sendAndWait(resets.port(), "GET / HTTP/1.0\r\n\r\n")).end).toBe("reset");
    await using closes = await start({ ...TO_RAW, otherwise: { notTls: "close" } });
    expect((await sendAndWait(closes.port(), "GET / HTTP/1.0\r\n\r\n")).end).toBe("fin");
    await using serves = await start({ ...BY_NAME, otherwise: { notTls: "/svc/raw" } });
    const client = await peer.connect(serves.port());
    await client.sendText("GET /");
    const server = await raw.accept();
    expect((await server.receive(5)).text).toBe("GET /");
    await Promise.all([client.close(), server.close()]);
    for (const product of [resets, closes, serves])
      expect(await otherwise(product, "not_tls")).toBe(1);
    expect(await reason(resets, "not_tls")).toBe(1);
  });

  withPython("and comes a byte at a time is cut at its deadline", async () => {
    await using product = await start({ ...TO_RAW, passthrough: { helloTimeoutMs: 700 } });
    const startedMs = performance.now();
    const socket = createConnection({ port: product.port(), host: "127.0.0.1", noDelay: true });
    socket.on("error", () => {});
    // Longer than can be sent by then.
    const hello = helloRecords({ extensions: [[EXTENSION.padding, new Uint8Array(16_000)]] });
    let sent = 0;
    // A byte with each look.
    await until("it is cut", () => {
      if (socket.writable) socket.write(hello.subarray(sent, (sent += 1)));
      return socket.destroyed;
    });
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThan(600);
    expect(tookMs).toBeLessThan(6_000);
    await until("it is counted", async () => (await reason(product, "hello_timeout")) === 1);
  });

  withPython("is shown among the connections while it is being read", async () => {
    await using product = await start(BY_NAME);
    const client = await peer.connect(product.port());
    await client.sendText("\u0016\u0003\u0001");
    const list = async () =>
      (await (await product.admin("/connections")).json()) as { connections: unknown[] };
    await until("it is there", async () => (await list()).connections.length === 1);
    expect((await list()).connections).toEqual([
      expect.objectContaining({ state: "connecting", dst: "undecided", router: "r" }),
    ]);
    await client.close();
    await until("it has left", async () => (await otherwise(product, "malformed_hello")) === 1);
  });
});

describe("a server that speaks first", () => {
  withPython("is not waited for where the address says where to go", async () => {
    const source = { match: { source: ["127.0.0.0/8"] }, dstName: "/svc/raw" };
    await using product = await start({ routes: [source, ...BY_NAME.routes] });
    const client = await peer.connect(product.port());
    const server = await raw.accept();
    await server.sendText("220 ready");
    // With the hello's time of 20 s before it this would be too late.
    expect((await client.receive(9)).text).toBe("220 ready");
    await Promise.all([client.close(), server.close()]);
  });

  withPython("is reached after the hello's time by clients that say nothing", async () => {
    const passthrough = { helloTimeoutMs: 300 };
    await using product = await start({
      ...BY_NAME,
      passthrough,
      otherwise: { silent: "/svc/raw" },
    });
    const client = await peer.connect(product.port());
    const server = await raw.accept();
    await server.sendText("220 ready");
    expect((await client.receive(9)).text).toBe("220 ready");
    expect(await otherwise(product, "silent")).toBe(1);
    await Promise.all([client.close(), server.close()]);
  });
});

describe("a reload of routes", () => {
  withPython("sends new clients elsewhere, and those that are connected go on", async () => {
    const [byOne, byAny] = BY_NAME.routes;
    await using product = await start(BY_NAME);
    const tls = { ca: ca.certPem, serverName: "one.test" };
    const before = await peer.connect(product.port(), { tls });
    const server = { port: 0, routes: [{ ...byOne, dstName: "/svc/raw" }, byAny] };
    const answer = await reloadWith(product, config(server));
    expect(touched(answer)).toEqual([
      `changed server 127.0.0.1:${product.port()}`,
      "removed destination /svc/one",
      "added destination /svc/raw",
    ]);
    await before.sendText("still here");
    expect((await before.receive(10)).text).toBe("still here");
    const hello = helloRecords({ serverName: "one.test" });
    const socket = await sendCut(product.port(), hello, 10_000);
    const stream = await raw.accept();
    expect((await stream.receive(hello.length)).size).toBe(hello.length);
    const { servers } = (await (await product.admin("/status.json")).json()) as {
      servers: { dstName: string; routes: string[]; passthrough: boolean }[];
    };
    expect(servers[0]).toMatchObject({ dstName: "what its routes say", passthrough: true });
    expect(servers[0]?.routes).toContain("sni one.test -> /svc/raw");
    socket.destroy();
    await Promise.all([before.close(), stream.close()]);
  });
});
