// TLS towards endpoints: who is trusted, what is sent, what may never be sent. Peers: Python, OpenSSL, Node.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ca, type Issued, issue, makeCa } from "../support/certs.ts";
import { Product, type ProductOptions } from "../support/product.ts";
import { globalTls, proxyConfig, type ServerSpec } from "../support/tls/config.ts";
import { makeIntermediate } from "../support/tls/intermediate.ts";
import { askFor, echoing } from "../support/tls/echo.ts";
import { Peer, type PeerServer, type PeerTlsServer } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

const withPython = test.skipIf(!has("python3"));
const withOpenssl = test.skipIf(!has("python3") || !has("openssl"));
const withNode = test.skipIf(!has("python3") || !has("node"));
const SECRET = "for nobody but the right endpoint";
const NAME = "web.test";
const SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt";
// Mounting in a namespace of one's own needs a right that containers may withhold.
const mayMount =
  existsSync(SYSTEM_ROOTS) &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-rm", "true"]).exitCode === 0;
const withMount = test.skipIf(!has("python3") || !mayMount);

const running = new AsyncDisposableStack();
let ca: Ca;
let otherCa: Ca;
let good: Issued;
let peer: Peer;

beforeAll(async () => {
  ca = await makeCa("Trusted CA");
  otherCa = await makeCa("Other CA");
  good = await issue(ca, { names: [NAME] });
  peer = running.use(new Peer());
});

afterAll(() => running.disposeAsync());

/** A product whose connections to endpoints trust `ca`, unless told otherwise. */
function start(servers: readonly ServerSpec[], client?: unknown, options: ProductOptions = {}) {
  const files = { "ca.pem": ca.certPem, "other.pem": otherCa.certPem, ...options.files };
  const config = proxyConfig(servers, client ?? globalTls(NAME, ["ca.pem"]));
  return Product.start(config, { ...options, files });
}

const listen = (tls: PeerTlsServer) => echoing(peer, tls);
const ask = (product: Product, dst?: string) => askFor(SECRET, peer, product, dst);

/** What `ask` answers once the product is ready; nothing if it ends instead. Fails when it does neither. */
async function servesOrEnds(product: Product): Promise<string> {
  const ready = () => product.log.some(({ msg }) => msg === "ready");
  const ended = () => product.process.exitCode !== null;
  await until("it is ready or has ended", () => ready() || ended(), 3_000);
  return ended() ? "" : ask(product);
}

describe("an endpoint gets no byte of the client when", () => {
  const cases: Record<string, () => Promise<PeerTlsServer>> = {
    "its authority is not trusted": () => issue(otherCa, { names: [NAME] }),
    "its certificate is for another name": () => issue(ca, { names: ["other.test"] }),
    "its certificate is for a name below ours": () => issue(ca, { names: [`sub.${NAME}`] }),
    "its wildcard is for names below ours": () => issue(ca, { names: [`*.${NAME}`, "*", "*.*"] }),
    "its certificate is for its address alone": () =>
      issue(ca, { names: ["other.test"], ips: ["127.0.0.1"] }),
    "its certificate has expired": () => issue(ca, { names: [NAME], days: -1 }),
    "its certificate is not valid yet": () => issue(ca, { names: [NAME], fromDays: 2, days: 30 }),
    "its certificate is self-signed": async () => makeCa(NAME),
    "its intermediate is not sent": async () =>
      issue(await makeIntermediate(ca), { names: [NAME] }),
    "it speaks TLS 1.1 alone": async () => ({
      ...good,
      min: "TLSv1_1",
      max: "TLSv1_1",
      ciphers: "ALL:@SECLEVEL=0",
    }),
    "it has no suite but CBC": async () => ({
      ...good,
      max: "TLSv1_2",
      ciphers: "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0",
    }),
    "it has no suite but RSA key exchange": async () => ({
      ...(await issue(ca, { names: [NAME], algorithm: "rsa" })),
      max: "TLSv1_2",
      ciphers: "AES128-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=0",
    }),
  };
  const endpoints = new Map<string, PeerServer>();
  let product: Product;
  const dst = (what: string) => `/svc/${Object.keys(cases).indexOf(what)}`;

  beforeAll(async () => {
    for (const [what, tls] of Object.entries(cases)) endpoints.set(what, await listen(await tls()));
    const plain = await peer.listen();
    await plain.echoAll();
    endpoints.set("plain", plain);
    product = running.use(
      await start(
        [...endpoints].map(([what, { address }]) => ({
          to: [address],
          dst: dst(what),
          connectTimeoutMs: 250,
        })),
      ),
    );
  });

  for (const what of Object.keys(cases)) {
    withPython(what, async () => {
      expect(await ask(product, dst(what))).toBe("");
      const endpoint = endpoints.get(what);
      await until("every handshake has failed", async () => {
        const stats = await endpoint?.stats();
        return (
          stats !== undefined && stats.accepted > 0 && stats.failures.length === stats.accepted
        );
      });
      expect((await endpoint?.stats())?.raw).not.toContain(SECRET);
      const failure = { cause: "other", dst: dst(what) };
      const failures = await product.metric("l5d_balancer_connection_failure_total", failure);
      expect(failures).toBeGreaterThan(0);
    });
  }

  withPython("it does not speak TLS at all", async () => {
    expect(await ask(product, dst("plain"))).toBe("");
    const raw = (await endpoints.get("plain")?.stats())?.raw;
    // The record and the version of a ClientHello.
    expect(raw).toStartWith("\u0016\u0003\u0001");
    expect(raw).not.toContain(SECRET);
  });
});

describe("an endpoint is served when", () => {
  withPython("its certificate is for dnsName, which it is sent as SNI", async () => {
    const endpoint = await peer.listen({ tls: good });
    await using product = await start([{ to: [endpoint.address] }]);
    const client = await peer.connect(product.port());
    await client.sendText(SECRET);
    const stream = await endpoint.accept();
    expect(stream.info).toMatchObject({ sni: NAME, version: "TLSv1.3" });
    expect(await stream.receive(SECRET.length)).toMatchObject({ text: SECRET });
  });

  withPython("its certificate is a wildcard for dnsName, whatever the case", async () => {
    const endpoint = await listen(await issue(ca, { names: ["*.example.test"] }));
    const client = globalTls("Web.EXAMPLE.test", ["ca.pem"]);
    await using product = await start([{ to: [endpoint.address] }], client);
    expect(await ask(product)).toBe(SECRET);
  });

  withPython("it sends its intermediate", async () => {
    const intermediate = await makeIntermediate(ca);
    const leaf = await issue(intermediate, { names: [NAME] });
    const endpoint = await listen({ ...leaf, certPem: leaf.certPem + intermediate.certPem });
    await using product = await start([{ to: [endpoint.address] }]);
    expect(await ask(product)).toBe(SECRET);
  });

  for (const [what, tls] of [
    ["TLS 1.2 with ECDSA", { max: "TLSv1_2" }],
    ["TLS 1.2 with RSA", { max: "TLSv1_2", algorithm: "rsa" }],
    ["ChaCha20 alone", { max: "TLSv1_2", ciphers: "ECDHE-ECDSA-CHACHA20-POLY1305" }],
    ["TLS 1.3 alone", { min: "TLSv1_3" }],
  ] as const) {
    withPython(`it speaks ${what}`, async () => {
      const algorithm = "algorithm" in tls ? tls.algorithm : "ecdsa";
      const endpoint = await listen({ ...(await issue(ca, { names: [NAME], algorithm })), ...tls });
      await using product = await start([{ to: [endpoint.address] }]);
      expect(await ask(product)).toBe(SECRET);
    });
  }

  for (const [what, trustCerts] of [
    ["a list of files", ["ca.pem", "other.pem"]],
    ["a file of several", ["bundle.pem"]],
  ] as const) {
    withPython(`its authority is any of ${what} in trustCerts`, async () => {
      const ours = await listen(good);
      const others = await listen(await issue(otherCa, { names: [NAME] }));
      const files = { "bundle.pem": `# two\n${otherCa.certPem}\n${ca.certPem}` };
      await using product = await start(
        [
          { to: [ours.address], dst: "/svc/ours" },
          { to: [others.address], dst: "/svc/others" },
        ],
        globalTls(NAME, trustCerts),
        { files },
      );
      expect(await ask(product, "/svc/ours")).toBe(SECRET);
      expect(await ask(product, "/svc/others")).toBe(SECRET);
    });
  }
});

describe("without trustCerts", () => {
  const client = globalTls(NAME);
  /** Takes away what the surroundings of the tests may have set. */
  const bare = "unset NODE_EXTRA_CA_CERTS NODE_USE_SYSTEM_CA SSL_CERT_FILE SSL_CERT_DIR";

  withPython("a private authority is not trusted", async () => {
    const endpoint = await listen(good);
    const server = { to: [endpoint.address], connectTimeoutMs: 300 };
    await using product = await start([server], client, { before: bare });
    expect(await ask(product)).toBe("");
    expect((await endpoint.stats()).raw).not.toContain(SECRET);
  });

  withPython("the system's roots are those of SSL_CERT_FILE where it is set", async () => {
    const endpoint = await listen(good);
    const before = `${bare}; export SSL_CERT_FILE=ca.pem`;
    const server = { to: [endpoint.address], connectTimeoutMs: 1_000 };
    await using product = await start([server], client, { before });
    expect(await ask(product)).toBe(SECRET);
  });

  // Bun adds what NODE_EXTRA_CA_CERTS names to the list that it brings along, which shows whether that one is used.
  for (const [what, file] of [
    ["beside the system's", "other.pem"],
    ["in place of a file of roots that is not there", "missing.pem"],
  ] as const) {
    withPython(`the list that Bun brings along is not trusted ${what}`, async () => {
      const endpoint = await listen(good);
      const roots = `export NODE_EXTRA_CA_CERTS="$PWD/ca.pem" SSL_CERT_FILE=${file}`;
      const server = { to: [endpoint.address], connectTimeoutMs: 300 };
      const options = { before: `${bare}; ${roots}`, waitUntilServing: false };
      await using product = await start([server], client, options);
      expect(await servesOrEnds(product)).toBe("");
      expect((await endpoint.stats()).raw).not.toContain(SECRET);
    });
  }

  for (const [what, text] of Object.entries({
    "is empty": "",
    "is no PEM": "not a certificate\n",
    "holds a certificate that cannot be read":
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  })) {
    withPython(`a file of roots that ${what} trusts nobody and hangs nothing`, async () => {
      const endpoint = await listen(good);
      const roots = `export NODE_EXTRA_CA_CERTS="$PWD/ca.pem" SSL_CERT_FILE=roots.pem`;
      const server = { to: [endpoint.address], connectTimeoutMs: 300 };
      const files = { "roots.pem": text };
      const options = { before: `${bare}; ${roots}`, waitUntilServing: false, files };
      await using product = await start([server], client, options);
      expect(await servesOrEnds(product)).toBe("");
    });
  }

  withMount("the system's roots are those that the administrator has installed", async () => {
    const endpoint = await listen(good);
    // The shell starts itself again in a namespace where the file of the system's roots holds our authority.
    const mounted = `mount --bind ca.pem ${SYSTEM_ROOTS} && exec "$@"`;
    const before = `${bare}; exec unshare -rm sh -c '${mounted}' sh "$@"`;
    const server = { to: [endpoint.address], connectTimeoutMs: 1_000 };
    await using product = await start([server], client, { before });
    expect(await ask(product)).toBe(SECRET);
  });
});

withPython(
  "an endpoint whose TLS fails is passed over and another one serves the client",
  async () => {
    const wrong = await listen(await issue(otherCa, { names: [NAME] }));
    const plain = await peer.listen();
    await plain.echoAll();
    const right = await listen(good);
    await using product = await start([{ to: [wrong.address, plain.address, right.address] }]);
    for (let n = 0; n < 20; n += 1) expect(await ask(product)).toBe(SECRET);
    const stats = await wrong.stats();
    expect(stats.failures.length).toBeGreaterThan(0);
    expect(stats.raw).not.toContain(SECRET);
    expect((await plain.stats()).raw).not.toContain(SECRET);
    const failures = await product.metric("l5d_balancer_connection_failure_total", {
      cause: "other",
    });
    expect(failures).toBeGreaterThan(0);
    expect((await right.stats()).accepted).toBeGreaterThanOrEqual(20);
  },
);

withPython(
  "an endpoint that never answers the ClientHello is passed over at connectTimeoutMs",
  async () => {
    const silent = await peer.listen({ tls: good, hold: true });
    const right = await listen(good);
    const client = globalTls(NAME, ["ca.pem"], { connectTimeoutMs: 200 });
    await using product = await start([{ to: [silent.address, right.address] }], client);
    await until("the silent one was tried", async () => {
      expect(await ask(product)).toBe(SECRET);
      return (await silent.stats()).accepted > 0;
    });
    const timeouts = await product.metric("l5d_balancer_connection_failure_total", {
      cause: "timeout",
    });
    expect(timeouts).toBe((await silent.stats()).accepted);
  },
);

withPython("a closed port is counted as refused, not as a failure of TLS", async () => {
  const gone = await freePort();
  const server = { to: [`127.0.0.1:${gone}`], connectTimeoutMs: 250 };
  await using product = await start([server]);
  expect(await ask(product)).toBe("");
  const failures = (cause: string) =>
    product.metric("l5d_balancer_connection_failure_total", { cause });
  expect(await failures("refused")).toBeGreaterThan(0);
  expect(await failures("other")).toBe(0);
});

withPython("settings by prefix give TLS to some destinations and none to others", async () => {
  const secure = await listen(good);
  const plain = await peer.listen();
  await plain.echoAll();
  const tls = { dnsName: NAME, trustCerts: ["ca.pem"] };
  await using product = await start(
    [
      { to: [secure.address], dst: "/svc/secure" },
      { to: [plain.address], dst: "/svc/plain" },
    ],
    { kind: "io.l5d.static", configs: [{ prefix: "/svc/secure", tls }] },
  );
  expect(await ask(product, "/svc/secure")).toBe(SECRET);
  expect(await ask(product, "/svc/plain")).toBe(SECRET);
  expect((await secure.stats()).raw).not.toContain(SECRET);
  expect((await plain.stats()).raw).toContain(SECRET);
});

withPython("connections kept ready have done their handshake", async () => {
  const endpoint = await peer.listen({ tls: good });
  const client = globalTls(NAME, ["ca.pem"], { minConnections: 2 });
  await using product = await start([{ to: [endpoint.address] }], client);
  const ready = await Promise.all([endpoint.accept(), endpoint.accept()]);
  const warm = async () => (await product.metric("l5d_balancer_connection_warm")) === 2;
  await until("two connections are ready", warm);
  const stream = await peer.connect(product.port());
  await stream.sendText(SECRET);
  const [one, two] = ready.map((connection) => connection.receive(SECRET.length));
  expect(await Promise.race([one, two])).toMatchObject({ text: SECRET });
});

withOpenssl(
  "OpenSSL's server is served over each group that is allowed, and over no other",
  async () => {
    await using stack = new AsyncDisposableStack();
    const groups = {
      "/svc/x25519": "X25519",
      "/svc/p256": "P-256",
      "/svc/p384": "P-384",
      "/svc/p521": "P-521",
    };
    const servers = await Promise.all(
      Object.entries(groups).map(async ([dst, group]) => {
        const port = await opensslServer(stack, good, ["-groups", group]);
        return { to: [`127.0.0.1:${port}`], dst, connectTimeoutMs: 1_000 };
      }),
    );
    await using product = await start(servers);
    for (const dst of ["/svc/x25519", "/svc/p256", "/svc/p384"]) {
      const stream = await peer.connect(product.port(dst));
      await stream.sendText("abc\n");
      expect(await stream.receive(4)).toMatchObject({ text: "cba\n" });
    }
    const refused = await peer.connect(product.port("/svc/p521"));
    await refused.sendText("abc\n");
    expect(await refused.receive()).toMatchObject({ size: 0 });
  },
);

withNode("Node's server is served", async () => {
  const script = `
    const tls = require("node:tls");
    const { cert, key } = JSON.parse(process.argv[1]);
    const server = tls.createServer({ cert, key }, (socket) => {
      socket.on("error", () => {});
      socket.write(socket.servername + " ");
      socket.pipe(socket);
    });
    server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;
  const identity = JSON.stringify({ cert: good.certPem, key: good.keyPem });
  const node = Bun.spawn(["node", "-e", script, identity], { stdout: "pipe", stderr: "inherit" });
  try {
    const port = Number(await firstMatch(node.stdout, /(\d+)\n/));
    await using product = await start([{ to: [`127.0.0.1:${port}`] }]);
    const stream = await peer.connect(product.port());
    await stream.sendText("ping");
    await stream.shutdown();
    expect(await stream.receive()).toMatchObject({ text: `${NAME} ping`, end: "fin" });
  } finally {
    node.kill();
  }
});

/** Starts `openssl s_server`, which sends lines back reversed. */
async function opensslServer(
  stack: AsyncDisposableStack,
  identity: Issued,
  args: readonly string[],
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-tls-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "identity.pem");
  await Bun.write(file, identity.keyPem + identity.certPem);
  const server = Bun.spawn(
    ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", file, "-key", file, "-rev", ...args],
    { stdin: "pipe", stdout: "pipe", stderr: "ignore" },
  );
  stack.defer(() => server.kill());
  return Number(await firstMatch(server.stdout, /ACCEPT \S*:(\d+)/));
}

/** The first group of `pattern` in what a stream says. */
async function firstMatch(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string> {
  let text = "";
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    text += new TextDecoder().decode(value);
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return found;
    if (done) throw new Error(`ended without ${pattern}: ${text}`);
  }
}

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
