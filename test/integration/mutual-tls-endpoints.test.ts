// What endpoints are shown, and asked: certificates, revocation, names by captures, protocols, key exchange. Peers:
// Python, OpenSSL, Node.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ca, type Issued, issue, makeCa } from "../support/certs.ts";
import { type LogLine, Product } from "../support/product.ts";
import { identityFiles, proxyConfig, type ServerSpec } from "../support/tls/config.ts";
import { makeCrl } from "../support/tls/crl.ts";
import { askFor, echoing } from "../support/tls/echo.ts";
import { Peer, type PeerTlsServer } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";
import { freePort } from "../support/peers/free-port.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const withPython = test.skipIf(!has("python3"));
const withOpenssl = test.skipIf(!has("python3") || !has("openssl"));
const withNode = test.skipIf(!has("python3") || !has("node"));
const VERSIONS = ["TLSv1_2", "TLSv1_3"] as const;
const NAME = "web.test";
const TEXT = "through and back";

const running = new AsyncDisposableStack();
let ca: Ca;
let clientCa: Ca;
let good: Issued;
let peer: Peer;
let files: Readonly<Record<string, string>>;
const own = { certs: ["own-0.pem"], privateKey: "own.key" };

beforeAll(async () => {
  ca = await makeCa("Endpoints");
  clientCa = await makeCa("Clients");
  good = await issue(ca, { names: [NAME] });
  peer = running.use(new Peer());
  files = {
    "ca.pem": ca.certPem,
    ...identityFiles("own", await issue(clientCa, { names: ["proxy.test"] })).files,
  };
});

afterAll(() => running.disposeAsync());

/** A product whose connections to endpoints are for NAME and trust `ca`. */
function start(servers: readonly ServerSpec[], tls: object, rest: object = {}): Promise<Product> {
  const trusting = { dnsName: NAME, trustCerts: ["ca.pem"], ...tls };
  const client = { kind: "io.l5d.global", tls: trusting, ...rest };
  return Product.start(proxyConfig(servers, client), {
    files,
    env: { LINKERD_TCP_LOG: "linkerd_tcp=debug" },
  });
}

const listen = (tls: PeerTlsServer) => echoing(peer, tls);
const ask = (product: Product, dst?: string) => askFor(TEXT, peer, product, dst);

const patient = (to: string, rest: object = {}): ServerSpec => ({
  ...{ to: [to], connectTimeoutMs: 400 },
  ...rest,
});

describe("an endpoint that needs a certificate", () => {
  for (const version of VERSIONS) {
    withPython(`is shown clientAuth, with ${version}`, async () => {
      const tls = { ...good, clientCa: clientCa.certPem, min: version, max: version };
      const endpoint = await peer.listen({ tls });
      await using product = await start([{ to: [endpoint.address] }], { clientAuth: own });
      const client = await peer.connect(product.port());
      await client.sendText(TEXT);
      const stream = await endpoint.accept();
      expect(stream.info.peer).toBe("proxy.test");
      expect(await stream.receive(TEXT.length)).toMatchObject({ text: TEXT });
    });
  }

  withPython("and gets none cannot be connected to, with TLS 1.2", async () => {
    const endpoint = await listen({ ...good, clientCa: clientCa.certPem, max: "TLSv1_2" });
    await using product = await start([patient(endpoint.address)], {});
    expect(await ask(product)).toBe("");
    const failure = await product.line(({ msg }) => msg === "connect failed");
    expect(failure["detail"]).toContain("ALERT_HANDSHAKE_FAILURE");
  });

  for (const [what, tls, alert] of [
    ["gets none", {}, "CERTIFICATE_REQUIRED"],
    ["gets one of a stranger", { clientAuth: own }, "UNKNOWN_CA"],
  ] as const) {
    withPython(`and ${what} resets the client, with TLS 1.3`, async () => {
      const authority = what === "gets none" ? clientCa : ca;
      const endpoint = await listen({ ...good, clientCa: authority.certPem, min: "TLSv1_3" });
      await using product = await start([{ to: [endpoint.address] }], tls);
      const client = await peer.connect(product.port());
      await client.sendText(TEXT).catch(() => {});
      // With 1.3 the endpoint refuses after a handshake that was good for us: no end in good order.
      expect(await client.receive()).toMatchObject({ size: 0, end: "reset" });
      const reason = { reason: "upstream_reset" };
      await until(
        "it is counted",
        async () => (await product.metric("l5d_srv_close_reason_total", reason)) === 1,
      );
      const line = await product.line(({ msg }) => msg === "TLS failed after the handshake");
      expect(line).toMatchObject({ side: "endpoint" });
      expect(line["detail"]).toContain(alert);
      expect(product.log.filter(({ level }) => level === "error")).toEqual([]);
    });
  }

  withPython("is shown it by health checks too", async () => {
    const endpoint = await listen({ ...good, clientCa: clientCa.certPem, max: "TLSv1_2" });
    const healthCheck = {
      ...{ kind: "exchange", send: "PING\\n", expect: "PING\\n", intervalMs: 60_000 },
      ...{ initially: "unhealthy", timeoutMs: 10_000, fall: 1, rise: 1 },
    };
    const to = [{ to: [endpoint.address] }];
    await using product = await start(to, { clientAuth: own }, { healthCheck });
    const line = await product.line(({ msg }) => /^endpoint (?:un)?healthy$/.test(msg));
    expect(line.msg).toBe("endpoint healthy");
  });

  for (const version of ["-tls1_2", "-tls1_3"]) {
    withOpenssl(`is served that is OpenSSL's, with ${version}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "endpoint-"));
      writeFileSync(join(folder, "server.pem"), good.certPem + good.keyPem);
      writeFileSync(join(folder, "clients.pem"), clientCa.certPem);
      const port = freePort();
      const server = ["-accept", `127.0.0.1:${port}`, "-cert", "server.pem", "-rev", version];
      const verify = ["-CAfile", "clients.pem", "-Verify", "1", "-verify_return_error"];
      const child = Bun.spawn(["openssl", "s_server", ...server, ...verify], {
        ...{ cwd: folder, stdin: "pipe", stdout: "pipe", stderr: "ignore" },
      });
      try {
        // It says so when it listens.
        await child.stdout.getReader().read();
        const to = [`127.0.0.1:${port}`];
        await using product = await start([{ to }], { clientAuth: own });
        const stream = await peer.connect(product.port());
        await stream.sendText("abc\n");
        expect(await stream.receive(4)).toMatchObject({ text: "cba\n" });
      } finally {
        child.kill();
        await child.exited;
        rmSync(folder, { recursive: true });
      }
    });
  }

  withNode("is served that is Node's", async () => {
    const script = `
      const tls = require("node:tls");
      const [cert, key, ca] = process.argv.slice(1);
      const server = tls.createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, (socket) => {
        socket.write(socket.getPeerCertificate().subject.CN);
        socket.pipe(socket);
      });
      server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;
    const child = Bun.spawn(
      ["node", "-e", script, "--", good.certPem, good.keyPem, clientCa.certPem],
      {
        ...{ stdout: "pipe", stderr: "inherit" },
      },
    );
    try {
      const { value } = await child.stdout.getReader().read();
      const port = new TextDecoder().decode(value).trim();
      await using product = await start([{ to: [`127.0.0.1:${port}`] }], { clientAuth: own });
      const stream = await peer.connect(product.port());
      expect(await stream.receive(10)).toMatchObject({ text: "proxy.test" });
    } finally {
      child.kill();
      await child.exited;
    }
  });
});

withPython("an endpoint whose certificate is revoked gets no byte", async () => {
  const revoked = await issue(ca, { names: [NAME] });
  files = { ...files, "ca.crl": await makeCrl(ca, [revoked]) };
  for (const version of VERSIONS) {
    const bad = await listen({ ...revoked, min: version, max: version });
    const fine = await listen({ ...good, min: version, max: version });
    const servers = [
      patient(bad.address, { dst: "/svc/bad" }),
      { to: [fine.address], dst: "/svc/fine" },
    ];
    await using product = await start(servers, { crls: ["ca.crl"] });
    expect(await ask(product, "/svc/bad")).toBe("");
    expect((await bad.stats()).raw).not.toContain(TEXT);
    const failure = await product.line(({ msg }) => msg === "connect failed");
    expect(failure).toMatchObject({ failure: "tls", detail: "revoked: certificate revoked" });
    expect(await ask(product, "/svc/fine")).toBe(TEXT);
  }
});

withPython("an endpoint is offered alpnProtocols", async () => {
  const endpoint = await peer.listen({ tls: { ...good, alpn: ["x", "http/1.1"] } });
  const tls = { alpnProtocols: ["h2", "http/1.1"] };
  await using product = await start([{ to: [endpoint.address] }], tls);
  await peer.connect(product.port());
  expect((await endpoint.accept()).info.alpn).toBe("http/1.1");
});

withPython("an endpoint without TLS 1.3 is refused by the profile modern", async () => {
  const old = await listen({ ...good, max: "TLSv1_2" });
  const modern = await listen(good);
  const servers = [
    patient(old.address, { dst: "/svc/old" }),
    { to: [modern.address], dst: "/svc/modern" },
  ];
  await using product = await start(servers, { profile: "modern" });
  expect(await ask(product, "/svc/old")).toBe("");
  expect(await ask(product, "/svc/modern")).toBe(TEXT);
});

describe("names by captures", () => {
  withPython("are those that each destination's endpoints are verified for", async () => {
    const issued = await issue(ca, { names: ["web.example.com"] });
    const web = await peer.listen({ tls: issued });
    const wrong = await listen(issued);
    const configs = [
      { prefix: "/svc/{name}", tls: { dnsName: "{name}.Example.com", trustCerts: ["ca.pem"] } },
    ];
    const config = proxyConfig(
      [{ to: [web.address], dst: "/svc/Web" }, patient(wrong.address, { dst: "/svc/other" })],
      { kind: "io.l5d.static", configs },
    );
    await using product = await Product.start(config, { files });
    const client = await peer.connect(product.port("/svc/Web"));
    await client.sendText(TEXT);
    const stream = await web.accept();
    expect(stream.info.sni).toBe("web.example.com");
    expect(await stream.receive(TEXT.length)).toMatchObject({ text: TEXT });
    expect(await ask(product, "/svc/other")).toBe("");
    expect((await wrong.stats()).raw).not.toContain(TEXT);
  });
});

for (const [what, rule] of [
  ["of connections", { tls: { dnsName: "{name}.test", trustCerts: ["ca.pem"] } }],
  ["of their own", { own: { dnsName: "{name}.test", trustCerts: ["ca.pem"] } }],
] as const) {
  withPython(`health checks have a name for each destination, by captures ${what}`, async () => {
    const names = ["one", "two"];
    const endpoints = await Promise.all(
      names.map(async (name) => listen(await issue(ca, { names: [`${name}.test`] }))),
    );
    const healthCheck = {
      ...{ kind: "exchange", send: "PING\\n", expect: "PING\\n", intervalMs: 60_000 },
      ...{ initially: "unhealthy", timeoutMs: 10_000, fall: 1, rise: 1 },
      ...("own" in rule && { tls: rule.own }),
    };
    const connections = "tls" in rule && { tls: rule.tls };
    const configs = [{ prefix: "/svc/{name}", healthCheck, ...connections }];
    const servers = names.map((name, index) => ({
      ...{ to: [endpoints[index]?.address ?? ""], dst: `/svc/${name}` },
    }));
    const config = proxyConfig(servers, { kind: "io.l5d.static", configs });
    await using product = await Product.start(config, { files });
    for (const { address } of endpoints) {
      const isOurs = (line: LogLine) => JSON.stringify(line).includes(address);
      const judged = ({ msg }: LogLine) => /^endpoint (?:un)?healthy$/.test(msg);
      const line = await product.line((it) => judged(it) && isOurs(it));
      expect(line.msg).toBe("endpoint healthy");
    }
  });
}

/** A relay to `port` that keeps what it has seen from both ends. */
function wiretap(port: number) {
  const seen = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
  const listener = Bun.listen<{ to?: Bun.Socket<Bun.Socket> }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      async open(socket) {
        socket.pause();
        const to = await Bun.connect<Bun.Socket>({
          hostname: "127.0.0.1",
          port,
          data: socket as unknown as Bun.Socket,
          socket: {
            data(upstream, bytes) {
              seen.server = Buffer.concat([seen.server, bytes]);
              upstream.data.write(bytes);
            },
          },
        });
        socket.data = { to };
        socket.resume();
      },
      data(socket, bytes) {
        seen.client = Buffer.concat([seen.client, bytes]);
        socket.data.to?.write(bytes);
      },
    },
  });
  return { port: listener.port, seen, [Symbol.dispose]: () => listener.stop(true) };
}

test.skipIf(!has("python3"))(
  "keys are exchanged by X25519 and ML-KEM by default, on both sides",
  async () => {
    const echo = await peer.listen();
    await echo.echoAll();
    const identity = identityFiles("web", good);
    files = { ...files, ...identity.files };
    const tls = { defaultIdentity: identity.identity };
    const plain = { kind: "io.l5d.global" };
    await using server = await Product.start(proxyConfig([{ to: [echo.address], tls }], plain), {
      files,
    });
    using tap = wiretap(server.port());
    await using product = await start([{ to: [`127.0.0.1:${tap.port}`] }], {});
    expect(await ask(product)).toBe(TEXT);
    // RFC 8446 §4.2.8: the extension key_share (51), its length, the group 0x11ec and the length of its share.
    expect(tap.seen.client.toString("hex")).toContain("11ec04c0");
    expect(tap.seen.server.toString("hex")).toContain("0033046411ec0460");
  },
);
