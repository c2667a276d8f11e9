// Clients of a TLS server that do not shake hands as they should: each is cut, counted and costs no endpoint anything.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { join } from "node:path";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { sClient } from "../support/tls/openssl.ts";
import { Peer, type PeerServer } from "../support/tls/peer.ts";
import { clientHello, GROUPS, sendAndWait, TLS_1_3 } from "../support/tls/raw-hello.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

const withPython = test.skipIf(!has("python3"));
const withOpenssl = test.skipIf(!has("openssl") || !has("python3"));
const HANDSHAKE_TIMEOUT_MS = 400;
/** A handshake that is cut by nothing else would take that long. */
const PATIENT_MS = 10_000;
const HELLO = clientHello({
  versions: [TLS_1_3],
  ciphers: [0x1301],
  groups: [GROUPS.X25519],
  serverName: "web.test",
});

const running = new AsyncDisposableStack();
let ca: Ca;
let peer: Peer;
let endpoint: PeerServer;
let product: Product;

beforeAll(async () => {
  ca = await makeCa();
  const web = identityFiles("web", await issue(ca, { names: ["web.test"] }));
  peer = running.use(new Peer());
  endpoint = await peer.listen();
  await endpoint.echoAll();
  const to = [endpoint.address];
  const defaultIdentity = web.identity;
  product = running.use(
    await Product.start(
      proxyConfig([
        {
          to,
          dst: "/svc/hasty",
          tls: { defaultIdentity, handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS },
        },
        { to, dst: "/svc/web", tls: { defaultIdentity, handshakeTimeoutMs: PATIENT_MS } },
      ]),
      { files: web.files },
    ),
  );
});

afterAll(() => running.disposeAsync());

const hasty = () => product.port("/svc/hasty");
const patient = () => product.port("/svc/web");

async function reasons(reason: string): Promise<number> {
  return (await product.metric("l5d_srv_close_reason_total", { reason })) ?? 0;
}

async function failures(): Promise<number> {
  return (await product.metric("l5d_srv_tls_handshake_failure_total")) ?? 0;
}

/** Runs `act` and awaits one more session that ends for `reason`; no endpoint is connected meanwhile. */
async function endsFor(reason: string, act: () => Promise<unknown>): Promise<void> {
  const connectedBefore = (await endpoint.stats()).accepted;
  const before = await reasons(reason);
  await act();
  const ended = async () => (await reasons(reason)) === before + 1;
  await until(`a session ends for ${reason}`, ended, 3_000);
  expect((await endpoint.stats()).accepted).toBe(connectedBefore);
}

for (const [what, bytes] of [
  ["says nothing", ""],
  ["sends one byte", HELLO.subarray(0, 1)],
  ["sends half a ClientHello", HELLO.subarray(0, HELLO.length >> 1)],
  ["sends a ClientHello and leaves the answer unanswered", HELLO],
] as const) {
  withPython(`a client that ${what} is cut at the handshake timeout`, async () => {
    const before = await failures();
    await endsFor("handshake_timeout", async () => {
      const { afterMs } = await sendAndWait(hasty(), bytes);
      expect(afterMs).toBeGreaterThanOrEqual(HANDSHAKE_TIMEOUT_MS - 50);
      expect(afterMs).toBeLessThan(HANDSHAKE_TIMEOUT_MS + 1_500);
    });
    expect(await failures()).toBe(before + 1);
  });
}

withPython(
  "a client that goes on sending a byte at a time is cut at the handshake timeout",
  async () => {
    await endsFor("handshake_timeout", async () => {
      const started = performance.now();
      const socket = connect(hasty(), "127.0.0.1");
      const closed = Promise.withResolvers<void>();
      socket.on("error", () => {});
      socket.on("close", () => closed.resolve());
      let sent = 0;
      await until("the connection is closed", () => {
        // Each look is a byte more.
        if (socket.writable) socket.write(HELLO.subarray(sent, (sent += 1)));
        return socket.destroyed;
      });
      await closed.promise;
      expect(performance.now() - started).toBeLessThan(HANDSHAKE_TIMEOUT_MS + 1_500);
    });
  },
);

for (const [what, bytes] of Object.entries({
  "HTTP in plain text": "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n",
  "the greeting of SSH": "SSH-2.0-OpenSSH_9.2\r\n",
  "a PROXY header": "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
  "an SSL 2 hello": Buffer.from([
    0x80,
    0x2e,
    1,
    0,
    2,
    0,
    0x15,
    0,
    0,
    0,
    0x10,
    ...Array(37).fill(7),
  ]),
  zeros: Buffer.alloc(64),
  "bytes without meaning": Buffer.from(
    Array.from({ length: 4096 }, (_, n) => (n * 197 + 13) & 255),
  ),
  "a handshake record that lies about its length": Buffer.concat([
    HELLO.subarray(0, 6),
    Buffer.from([0xff, 0xff, 0xff]),
    HELLO.subarray(9),
  ]),
  "application data before a handshake": Buffer.from([23, 3, 3, 0, 5, 1, 2, 3, 4, 5]),
  "an alert before a handshake": Buffer.from([21, 3, 3, 0, 2, 2, 40]),
})) {
  withPython(`a client that sends ${what} is refused at once`, async () => {
    const before = await failures();
    await endsFor("handshake_failed", async () => {
      const { afterMs } = await sendAndWait(patient(), bytes);
      expect(afterMs).toBeLessThan(2_000);
    });
    expect(await failures()).toBe(before + 1);
  });
}

withPython("a port scan, which connects and leaves, is a client that left", async () => {
  await endsFor("client_left", async () => {
    const stream = await peer.connect(patient());
    await stream.close();
  });
  await endsFor("client_left", async () => {
    const stream = await peer.connect(patient());
    await stream.reset();
  });
});

withPython(
  "a client that leaves in the middle of its ClientHello is a client that left",
  async () => {
    await endsFor("client_left", async () => {
      const stream = await peer.connect(patient());
      await stream.sendText(HELLO.subarray(0, 40).toString("latin1"));
      await stream.reset();
    });
  },
);

withPython("a client that does not trust the certificate fails the handshake", async () => {
  const other = await makeCa("Another CA");
  for (const max of ["TLSv1_2", "TLSv1_3"]) {
    await endsFor("handshake_failed", async () => {
      const tls = { ca: other.certPem, serverName: "web.test", max };
      await expect(peer.connect(patient(), { tls })).rejects.toThrow("CERTIFICATE_VERIFY_FAILED");
    });
  }
});

withPython(
  "a hundred silent clients are cut and those who shake hands are served meanwhile",
  async () => {
    const before = (await endpoint.stats()).accepted;
    const silent = Array.from({ length: 100 }, () => sendAndWait(hasty(), ""));
    const tls = { ca: ca.certPem, serverName: "web.test" };
    const stream = await peer.connect(hasty(), { tls });
    await stream.sendText("ping");
    expect(await stream.receive(4)).toMatchObject({ text: "ping" });
    for (const { afterMs } of await Promise.all(silent))
      expect(afterMs).toBeLessThan(HANDSHAKE_TIMEOUT_MS + 2_500);
    expect((await endpoint.stats()).accepted).toBe(before + 1);
    await stream.close();
  },
);

withPython("a connection outlives the handshake timeout once its handshake is done", async () => {
  const tls = { ca: ca.certPem, serverName: "web.test" };
  const stream = await peer.connect(hasty(), { tls });
  const started = performance.now();
  await until("the timeout has passed", () => {
    return performance.now() - started > HANDSHAKE_TIMEOUT_MS * 1.5;
  });
  await stream.sendText("still here");
  expect(await stream.receive(10)).toMatchObject({ text: "still here" });
  await stream.close();
});

withOpenssl("a client may not renegotiate", async () => {
  const client = Bun.spawn(
    ["openssl", "s_client", "-connect", `127.0.0.1:${patient()}`, "-tls1_2", "-noservername"],
    { stdin: "pipe", stdout: "ignore", stderr: "pipe" },
  );
  // `R` on a line of its own asks s_client to renegotiate; its input stays open.
  client.stdin.write("R\n");
  client.stdin.flush();
  const stderr = await new Response(client.stderr).text();
  expect(stderr).toContain("RENEGOTIATING");
  expect(stderr).toContain("no renegotiation");
});

withOpenssl(
  "TLS goes through a server without TLS untouched, to an endpoint that speaks it",
  async () => {
    const identity = await issue(ca, { names: ["inner.test"] });
    const tlsEndpoint = await peer.listen({ tls: identity });
    await tlsEndpoint.echoAll();
    await using plain = await Product.start(proxyConfig([{ to: [tlsEndpoint.address] }]));
    await Bun.write(join(plain.folder, "ca.pem"), ca.certPem);
    const verify = ["-verify_return_error", "-verifyCAfile", join(plain.folder, "ca.pem")];
    const sni = ["-servername", "inner.test"];
    const seen = await sClient(plain.port(), ...sni, ...verify, "-verify_hostname", "inner.test");
    expect(seen).toMatchObject({ ok: true, name: "inner.test" });
    const stream = await peer.connect(plain.port(), {
      tls: { ca: ca.certPem, serverName: "inner.test" },
    });
    const echoed = stream.receive();
    const sha256 = await stream.send(1 << 20);
    await stream.shutdown();
    expect(await echoed).toMatchObject({ sha256, end: "close_notify" });
  },
);

withPython("every connection is counted once, and every handshake is timed", async () => {
  await using own = await Product.start(
    proxyConfig([
      {
        to: [endpoint.address],
        tls: {
          defaultIdentity: {
            certs: [join(product.folder, "web-0.pem")],
            privateKey: join(product.folder, "web.key"),
          },
          handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
        },
      },
    ]),
  );
  const tls = { ca: ca.certPem, serverName: "web.test" };
  const count = async (name: string) => (await own.metric(name)) ?? 0;
  const good = await Promise.all(
    Array.from({ length: 5 }, () => peer.connect(own.port(), { tls })),
  );
  await Promise.all(
    Array.from({ length: 3 }, () => sendAndWait(own.port(), "GET / HTTP/1.1\r\n\r\n")),
  );
  await Promise.all(Array.from({ length: 2 }, () => sendAndWait(own.port(), "")));
  const scans = await Promise.all(Array.from({ length: 4 }, () => peer.connect(own.port())));
  await Promise.all(scans.map((scan) => scan.reset()));
  for (const stream of good.slice(0, 3)) {
    await stream.shutdown();
    expect(await stream.receive()).toMatchObject({ end: "close_notify" });
    await stream.close();
  }
  await until("all have ended but two", async () => (await count("l5d_srv_active")) === 2);
  const [accepts, closes, failed] = await Promise.all(
    ["accepts", "closes", "failures"].map((name) => count(`l5d_srv_${name}_total`)),
  );
  expect({ accepts, closes, failed }).toEqual({ accepts: 14, closes: 7, failed: 5 });
  const byReason = async (reason: string) => own.metric("l5d_srv_close_reason_total", { reason });
  expect(await byReason("eof")).toBe(3);
  expect(await byReason("client_left")).toBe(4);
  expect(await byReason("handshake_failed")).toBe(3);
  expect(await byReason("handshake_timeout")).toBe(2);
  expect(await count("l5d_srv_tls_handshake_failure_total")).toBe(5);
  expect(await count("l5d_srv_tls_handshake_us_count")).toBeGreaterThanOrEqual(8);
  const meanMicros =
    (await count("l5d_srv_tls_handshake_us_sum")) / (await count("l5d_srv_tls_handshake_us_count"));
  expect(meanMicros).toBeGreaterThan(50);
  expect(meanMicros).toBeLessThan(5_000_000);
  for (const stream of good.slice(3)) await stream.close();
  await until("no connection is left", async () => (await count("l5d_srv_active")) === 0);
  expect(await count("l5d_srv_waiters")).toBe(0);
});
