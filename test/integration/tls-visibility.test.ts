// What is told of TLS: which handshakes there were and why others failed, with clients and with endpoints. Peers: OpenSSL,
// Python.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { makeCrl } from "../support/tls/crl.ts";
import { sClient } from "../support/tls/openssl.ts";
import { Peer, type PeerTlsServer } from "../support/tls/peer.ts";
import { has, run } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const withOpenssl = test.skipIf(!has("python3") || !has("openssl"));
const withPython = test.skipIf(!has("python3"));

const running = new AsyncDisposableStack();
let peer: Peer;
let caPem: string;
let product: Product;
/** Destinations whose endpoint speaks TLS in its own way. */
const endpoints = new Map<string, PeerTlsServer | "silent">();

beforeAll(async () => {
  const ca = await makeCa("Servers");
  const other = await makeCa("Others");
  caPem = ca.certPem;
  const good = await issue(ca, { names: ["web.test"], uris: ["spiffe://td/ns/a/sa/web"] });
  const clientCa = await makeCa("Clients");
  const client = await issue(clientCa, { names: ["me"], uris: ["spiffe://td/ns/a/sa/me"] });
  const revoked = await issue(clientCa, { names: ["gone"] });
  const stranger = await issue(other, { names: ["stranger"] });
  const late = await issue(clientCa, { names: ["late"], days: -1 });
  const own = identityFiles("own", good);
  const old = identityFiles("old", await issue(ca, { names: ["old.test"], days: -1 }));
  endpoints.set("good", good);
  endpoints.set("old-tls", { ...good, max: "TLSv1_2" });
  endpoints.set("unknown_ca", await issue(other, { names: ["web.test"] }));
  endpoints.set("expired", await issue(ca, { names: ["web.test"], days: -1 }));
  endpoints.set("not_yet_valid", await issue(ca, { names: ["web.test"], fromDays: 2, days: 9 }));
  endpoints.set("name_mismatch", await issue(ca, { names: ["other.test"] }));
  const old11 = { min: "TLSv1_1", max: "TLSv1_1", ciphers: "ALL:@SECLEVEL=0" };
  endpoints.set("no_shared_version", { ...good, ...old11 });
  const suites = "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0";
  endpoints.set("no_shared_cipher", { ...good, max: "TLSv1_2", ciphers: suites });
  endpoints.set("no_certificate", { ...good, clientCa: clientCa.certPem, min: "TLSv1_3" });
  endpoints.set("timeout", "silent");
  peer = running.use(new Peer());
  const to: [string, string][] = [];
  for (const [name, how] of endpoints) {
    const server = await peer.listen(how === "silent" ? {} : { tls: how });
    if (how !== "silent") await server.echoAll();
    to.push([name, server.address]);
  }
  const mail = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => void socket.write("220 ready\r\n"), data() {} },
  });
  running.defer(() => mail.stop(true));
  to.push(["not_tls", `127.0.0.1:${mail.port}`]);
  const plain = await peer.listen();
  await plain.echoAll();
  const web = { to: [plain.address], dst: "/svc/web" };
  const alpnProtocols = ["h2", "http/1.1"];
  const asks = {
    requireClientAuth: true,
    clientAuth: { trustCerts: ["clients.pem"], crls: ["clients.crl"], allow: ["spiffe://td/**"] },
  };
  product = running.use(
    await Product.start(
      proxyConfig(
        [
          {
            ...web,
            tls: { defaultIdentity: own.identity, alpnProtocols, handshakeTimeoutMs: 700 },
          },
          {
            ...web,
            dst: "/svc/strict",
            tls: {
              identities: { "web.test": own.identity, "old.test": old.identity },
              ...{ alpnProtocols, alpnMismatch: "refuse", minVersion: "1.3" },
            },
          },
          { ...web, dst: "/svc/asks", tls: { defaultIdentity: own.identity, ...asks } },
          ...to.map(([name, address]) => ({ to: [address], dst: `/dst/${name}` })),
        ],
        {
          kind: "io.l5d.static",
          configs: [
            {
              prefix: "/dst",
              connectTimeoutMs: 1_000,
              tls: { dnsName: "web.test", trustCerts: ["ca.pem"] },
            },
          ],
        },
      ),
      {
        env: { LINKERD_TCP_LOG: "linkerd_tcp=debug" },
        files: {
          ...own.files,
          ...old.files,
          "ca.pem": ca.certPem,
          "other.pem": other.certPem,
          "clients.pem": clientCa.certPem,
          "clients.crl": await makeCrl(clientCa, [revoked]),
          "client.pem": client.certPem + client.keyPem,
          "revoked.pem": revoked.certPem + revoked.keyPem,
          "stranger.pem": stranger.certPem + stranger.keyPem,
          "late.pem": late.certPem + late.keyPem,
        },
      },
    ),
  );
}, 60_000);

afterAll(() => running.disposeAsync());

function file(name: string): string {
  return join(product.folder, name);
}

/** The sum of a metric with these labels. */
async function count(name: string, labels: Readonly<Record<string, string>>): Promise<number> {
  return (await product.metric(name, labels)) ?? 0;
}

/** Has the product connect to the endpoint of a destination, for as long as what is answered is not called. */
async function tryDestination(dst: string): Promise<() => Promise<void>> {
  const stream = await peer.connect(product.port(dst));
  return () => stream.close();
}

/** Waits until a metric with these labels has grown by one. */
async function grows(
  name: string,
  labels: Readonly<Record<string, string>>,
  deed: () => Promise<unknown>,
): Promise<void> {
  const before = await count(name, labels);
  await deed();
  await until(`${name} ${JSON.stringify(labels)} has grown`, async () => {
    return (await count(name, labels)) > before;
  });
}

async function sayTo(port: number, bytes: string): Promise<void> {
  const stream = await peer.connect(port);
  await stream.sendText(bytes);
  await stream.receive();
  await stream.close();
}

describe("a handshake with a client that fails is counted by its reason:", () => {
  const FAILURES = "l5d_srv_tls_handshake_failure_reason_total";
  const trust = ["-verify_return_error"];

  interface Case {
    readonly dst: string;
    readonly why: string;
    readonly args: (() => readonly string[]) | string;
  }
  const cases: Readonly<Record<string, Case>> = {
    "a client that does not trust us, TLS 1.2": {
      ...{ dst: "/svc/web", why: "unknown_ca" },
      args: () => ["-tls1_2", "-CAfile", file("other.pem"), ...trust],
    },
    "a client that does not trust us, TLS 1.3": {
      ...{ dst: "/svc/web", why: "unreadable_alert" },
      args: () => ["-tls1_3", "-CAfile", file("other.pem"), ...trust],
    },
    "a client that finds our certificate expired": {
      ...{ dst: "/svc/web", why: "expired" },
      // Two days before its end it is none, sixty days later it is.
      args: () => {
        const later = Math.round(Date.now() / 1000) + 60 * 86_400;
        return ["-tls1_2", "-CAfile", file("ca.pem"), "-attime", String(later), ...trust];
      },
    },
    "a client that finds another name in it": {
      ...{ dst: "/svc/web", why: "bad_certificate" },
      args: () => ["-tls1_2", "-CAfile", file("ca.pem"), "-verify_hostname", "x.test", ...trust],
    },
    "TLS 1.1": {
      ...{ dst: "/svc/web", why: "no_shared_version" },
      args: () => ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    },
    "TLS 1.2 where 1.3 is needed": {
      ...{ dst: "/svc/strict", why: "no_shared_version" },
      args: () => ["-tls1_2", "-servername", "web.test"],
    },
    "no suite in common": {
      ...{ dst: "/svc/web", why: "no_shared_cipher" },
      args: () => ["-tls1_2", "-cipher", "AES128-SHA"],
    },
    "no group in common": {
      ...{ dst: "/svc/web", why: "no_shared_cipher" },
      args: () => ["-tls1_3", "-groups", "secp521r1"],
    },
    "no application protocol in common": {
      ...{ dst: "/svc/strict", why: "alpn_mismatch" },
      args: () => ["-servername", "web.test", "-alpn", "smtp"],
    },
    "a name that nobody has an identity for": {
      ...{ dst: "/svc/strict", why: "no_identity" },
      args: () => ["-servername", "nobody.test"],
    },
    "no certificate": { dst: "/svc/asks", why: "no_certificate", args: () => [] },
    "a certificate of an authority that is not trusted": {
      ...{ dst: "/svc/asks", why: "unknown_ca" },
      args: () => ["-cert", file("stranger.pem"), "-key", file("stranger.pem")],
    },
    "an expired certificate": {
      ...{ dst: "/svc/asks", why: "expired" },
      args: () => ["-cert", file("late.pem"), "-key", file("late.pem")],
    },
    "a revoked certificate": {
      ...{ dst: "/svc/asks", why: "revoked" },
      args: () => ["-cert", file("revoked.pem"), "-key", file("revoked.pem")],
    },
    HTTP: { dst: "/svc/web", why: "not_tls", args: "GET / HTTP/1.1\r\n\r\n" },
    SSH: { dst: "/svc/web", why: "not_tls", args: "SSH-2.0-OpenSSH_9.7\r\n" },
    "a hello that breaks off": {
      ...{ dst: "/svc/web", why: "protocol" },
      args: "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    },
    "half a hello": { dst: "/svc/web", why: "timeout", args: "\x16\x03\x01\x02" },
  };

  for (const [what, { dst, why, args }] of Object.entries(cases)) {
    const has = typeof args === "string" ? withPython : withOpenssl;
    has(`${what}: ${why}`, async () => {
      const port = product.port(dst);
      const labels = { reason: why, srv_addr: `127.0.0.1:${port}` };
      const total = { srv_addr: `127.0.0.1:${port}` };
      const before = await count("l5d_srv_tls_handshake_failure_total", total);
      await grows(FAILURES, labels, () =>
        typeof args === "string" ? sayTo(port, args) : sClient(port, ...args()),
      );
      expect(await count("l5d_srv_tls_handshake_failure_total", total)).toBe(before + 1);
      await product.line(({ msg, why: told }) => msg === "TLS handshake failed" && told === why);
    });
  }

  withPython("those who leave are counted, and are no failures of TLS", async () => {
    const port = product.port("/svc/web");
    const total = { srv_addr: `127.0.0.1:${port}` };
    const before = await count("l5d_srv_tls_handshake_failure_total", total);
    await grows(FAILURES, { reason: "left" }, async () => (await peer.connect(port)).close());
    await grows(FAILURES, { reason: "reset" }, async () => (await peer.connect(port)).reset());
    expect(await count("l5d_srv_tls_handshake_failure_total", total)).toBe(before);
  });

  withOpenssl("renegotiation is refused, and counted", async () => {
    const port = product.port("/svc/web");
    const command = ["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-tls1_2"];
    const client = Bun.spawn(command, { stdin: "pipe", stdout: "ignore", stderr: "ignore" });
    running.defer(() => client.kill());
    const before = await count(FAILURES, { reason: "renegotiation" });
    await until("it is counted", async () => {
      if ((await count(FAILURES, { reason: "renegotiation" })) > before) return true;
      // What OpenSSL reads too early it takes for nothing; once it is refused it is gone.
      try {
        client.stdin.write("R\n");
        await client.stdin.flush();
      } catch {
        // It has gone already.
      }
      return false;
    });
    await client.exited;
  });

  test("all reasons are there from the start, so that the first is seen", async () => {
    const page = await (await product.admin("/metrics")).text();
    expect(page).toContain(`${FAILURES}{reason="no_revocation_list",`);
  });
});

describe("a handshake with an endpoint that fails is counted by its reason:", () => {
  const CASES = [
    "unknown_ca",
    "expired",
    "not_yet_valid",
    "name_mismatch",
    "no_shared_version",
    "no_shared_cipher",
    "no_certificate",
    "not_tls",
    "timeout",
  ];
  for (const why of CASES) {
    withPython(why, async () => {
      const labels = { dst: `/dst/${why}`, reason: why };
      await grows("l5d_dst_tls_handshake_failure_reason_total", labels, async () => {
        running.defer(await tryDestination(`/dst/${why}`));
      });
    });
  }

  withPython("the log has the reason with what was said", async () => {
    running.defer(await tryDestination("/dst/expired"));
    const line = await product.line(
      ({ msg, dst }) => msg === "connect failed" && dst === "/dst/expired",
    );
    expect(line).toMatchObject({ failure: "tls", detail: "expired: certificate has expired" });
  });
});

describe("a connection tells what was agreed upon", () => {
  withPython("in the list of connections, on both sides, with who the peer is", async () => {
    const [, client] = await Promise.all([
      peer.connect(product.port("/dst/good")).then((stream) => stream.sendText("x")),
      Bun.file(file("client.pem")).text(),
    ]);
    const tls = { ca: caPem, serverName: "web.test", certPem: client, keyPem: "", min: "TLSv1_3" };
    const stream = await peer.connect(product.port("/svc/asks"), { tls });
    await stream.sendText("y");
    await stream.receive(1);
    const { connections } = (await (await product.admin("/connections")).json()) as {
      connections: readonly Record<string, unknown>[];
    };
    expect(connections.find(({ dst }) => dst === "/svc/asks")).toMatchObject({
      tls: {
        version: "TLSv1.3",
        cipher: expect.stringMatching(/^TLS_/),
        group: expect.stringMatching(/^X25519/),
        serverName: "web.test",
        resumed: false,
        peer: "spiffe://td/ns/a/sa/me",
      },
    });
    expect(connections.find(({ dst }) => dst === "/dst/good")).toMatchObject({
      endpointTls: {
        version: "TLSv1.3",
        serverName: "web.test",
        resumed: false,
        peer: "spiffe://td/ns/a/sa/web",
      },
    });
    await stream.close();
  });

  for (const [version, group, name] of [
    ["-tls1_2", "X25519:prime256v1", "X25519"],
    ["-tls1_2", "prime256v1", "P-256"],
    ["-tls1_3", "X25519", "X25519"],
    ["-tls1_3", "prime256v1", "P-256"],
    ["-tls1_3", "secp384r1", "P-384"],
  ] as const) {
    withOpenssl(`in metrics and the log: ${name} with ${version}`, async () => {
      const labels = { group: name, srv_addr: `127.0.0.1:${product.port("/svc/web")}` };
      await grows("l5d_srv_tls_groups_total", labels, () =>
        sClient(product.port("/svc/web"), version, "-groups", group),
      );
      await product.line((line) => line.msg === "TLS handshake done" && line["group"] === name);
    });
  }

  withOpenssl("by version, suite, protocol and resumption", async () => {
    const port = product.port("/svc/web");
    const srv = { srv_addr: `127.0.0.1:${port}` };
    for (const [version, args] of [
      ["TLSv1.2", ["-tls1_2"]],
      ["TLSv1.3", ["-tls1_3"]],
    ] as const) {
      const session = file(`session-${version}`);
      await keepSession(port, session, ["-alpn", "h2", ...args]);
      await grows("l5d_srv_tls_handshakes_total", { ...srv, version, resumed: "true" }, () =>
        sClient(port, "-sess_in", session, "-alpn", "h2", ...args),
      );
    }
    expect(await count("l5d_srv_tls_alpn_total", { ...srv, alpn: "h2" })).toBeGreaterThanOrEqual(4);
    expect(await count("l5d_srv_tls_handshakes_total", { ...srv, cipher: "other" })).toBe(0);
  });
});

describe("a session that an endpoint has given", () => {
  for (const [dst, version] of [
    ["/dst/good", "TLSv1.3"],
    ["/dst/old-tls", "TLSv1.2"],
  ] as const) {
    withPython(`goes on with the next connection to it, ${version}`, async () => {
      const once = async (): Promise<void> => {
        const stream = await peer.connect(product.port(dst));
        await stream.sendText("x");
        await stream.receive(1);
        await stream.close();
      };
      await once();
      const labels = { dst, version, resumed: "true" };
      await grows("l5d_dst_tls_handshakes_total", labels, once);
    });
  }
});

/** Connects with OpenSSL, which writes the session that it is given to a file. */
async function keepSession(port: number, session: string, args: readonly string[]): Promise<void> {
  const client = Bun.spawn(
    ["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-sess_out", session, ...args],
    { stdin: "pipe", stdout: "ignore", stderr: "ignore" },
  );
  // With TLS 1.3 tickets come with the first bytes of the answer.
  client.stdin.write("hello\n");
  await client.stdin.flush();
  await until("the session is written", async () => {
    const text = Bun.file(session);
    return (await text.exists()) && (await text.text()).includes("END SSL SESSION");
  });
  await client.stdin.end();
  await client.exited;
}

withOpenssl("early data is not taken", async () => {
  const port = product.port("/svc/web");
  const session = file("early-session");
  await keepSession(port, session, ["-tls1_3"]);
  await Bun.write(file("early"), "early bytes");
  const { stdout } = await run([
    ...["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-tls1_3"],
    ...["-sess_in", session, "-early_data", file("early")],
  ]);
  expect(stdout).toContain("Reused, TLSv1.3");
  // The ticket does not allow it.
  expect(stdout).toContain("Early data was not sent");
});
