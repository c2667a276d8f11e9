// PROXY headers that come and go, over real sockets. Peers: HAProxy and nginx on either side, Python as client and
// endpoint.
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { decode } from "../../src/proxy/proxy-protocol/decode.ts";
import { TLV, tlvOf } from "../../src/proxy/proxy-protocol/header.ts";
import { type Ca, issue, type Issued, makeCa } from "../support/certs.ts";
import { FrontProxy, HAPROXY_DEFAULTS, nginxHttp } from "../support/peers/front-proxies.ts";
import { Product } from "../support/product.ts";
import { globalTls, identityFiles, proxyConfig } from "../support/tls/config.ts";
import { Peer, type PeerServer, type PeerStream } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(30_000);

const MIB = 1024 * 1024;
const LOOPBACK = { trusted: ["127.0.0.0/8"] };
const ALL_TLVS = ["authority", "alpn", "uniqueId", "tls", "crc32c"];
const LINE = "PROXY TCP4 203.0.113.9 198.51.100.7 5000 443\r\n";

let peer: Peer;
let endpoint: PeerServer;
let ca: Ca;
let web: Issued;

beforeAll(async () => {
  peer = new Peer();
  ca = await makeCa();
  web = await issue(ca, { names: ["web.test"] });
});

beforeEach(async () => {
  endpoint = await peer.listen();
});

afterAll(() => peer[Symbol.asyncDispose]());

const skipped = !has("python3");
const withPython = test.skipIf(skipped);
const withHaproxy = test.skipIf(skipped || !has("haproxy"));
const withNginx = test.skipIf(skipped || !has("nginx"));

const sends = (proxyProtocol: unknown, rest = {}) => ({
  kind: "io.l5d.global",
  proxyProtocol,
  ...rest,
});

/** The next line that an endpoint gets, without its end; shorter where the stream ends before. */
async function lineAt(stream: PeerStream): Promise<string> {
  for (let line = ""; ;) {
    const { text, end } = await stream.receive(1);
    line += text;
    if (text === "\n" || end !== null) return line.trimEnd();
  }
}

/** The header of version 2 that an endpoint gets. */
async function headerAt(stream: PeerStream) {
  let text = (await stream.receive(16)).text;
  const length = text.charCodeAt(14) * 256 + text.charCodeAt(15);
  if (length > 0) text += (await stream.receive(length)).text;
  const decoded = decode(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  if (decoded.kind !== "header") throw new Error(`no header: ${JSON.stringify(decoded)}`);
  return decoded.header;
}

/** Sends both ways at once and compares. */
async function exchange(client: PeerStream, server: PeerStream, size = 4 * MIB): Promise<void> {
  const send = async (from: PeerStream, seed: number): Promise<string> => {
    const hash = await from.send(size, seed);
    await from.shutdown();
    return hash;
  };
  const [up, down, atServer, atClient] = await Promise.all([
    send(client, 1),
    send(server, 2),
    server.receive(),
    client.receive(),
  ]);
  expect([atServer.sha256, atClient.sha256]).toEqual([up, down]);
}

/** A product with one server, and the keys of that server and of its client. */
function start(server: object, client?: unknown, files: Readonly<Record<string, string>> = {}) {
  return Product.start(proxyConfig([{ to: [endpoint.address], ...server }], client), { files });
}

describe("a server that expects PROXY headers", () => {
  for (const [name, options] of [
    ["send-proxy", "send-proxy"],
    ["send-proxy-v2", "send-proxy-v2"],
    ["send-proxy-v2 with a checksum and an id", "send-proxy-v2 proxy-v2-options crc32c,unique-id"],
  ] as const) {
    withHaproxy(`takes the client's address from HAProxy's ${name}`, async () => {
      await using product = await start({ proxyProtocol: LOOPBACK }, sends({ version: 1 }));
      await using haproxy = await FrontProxy.haproxy({
        config: ([port]) => `${HAPROXY_DEFAULTS}
listen front
  bind 127.0.0.1:${port}
  server product 127.0.0.1:${product.port()} ${options}`,
      });
      // Those that waited for HAProxy to be up have come through as well.
      const local = async (): Promise<PeerStream> => {
        const server = await endpoint.accept();
        const line = await lineAt(server);
        return line.endsWith(`${client.info.local} ${haproxy.port()}`) ? server : local();
      };
      const client = await peer.connect(haproxy.port());
      const server = await local();
      await exchange(client, server);
    });
  }

  withPython(
    "reads a header that comes in pieces, and the bytes that come with its end",
    async () => {
      await using product = await start({ proxyProtocol: LOOPBACK }, sends({ version: 1 }));
      const client = await peer.connect(product.port());
      for (const piece of [LINE.slice(0, 1), LINE.slice(1, 30), LINE.slice(30), "hello"]) {
        await client.sendText(piece);
      }
      const server = await endpoint.accept();
      expect(await lineAt(server)).toBe(LINE.trimEnd());
      expect((await server.receive(5)).text).toBe("hello");
      expect(await product.metric("l5d_srv_stream_rx_bytes_total")).toBe(5);
      expect(await product.metric("l5d_srv_proxy_header_total", { command: "proxy" })).toBe(1);
      await client.close();
      await server.close();
    },
  );

  withPython("resets what has no header, a bad one, or one too late, and counts each", async () => {
    await using product = await start({ proxyProtocol: { ...LOOPBACK, timeoutMs: 200 } });
    const ends: unknown[] = [];
    for (const text of ["GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 what\r\n", LINE.slice(0, 20)]) {
      const client = await peer.connect(product.port());
      await client.sendText(text);
      ends.push((await client.receive()).end);
    }
    expect(ends).toEqual(["reset", "reset", "reset"]);
    const reason = (name: string) => product.metric("l5d_srv_close_reason_total", { reason: name });
    expect(await reason("proxy_header_invalid")).toBe(2);
    expect(await reason("proxy_header_timeout")).toBe(1);
    expect(await product.metric("l5d_srv_active")).toBe(0);
  });

  withPython("counts a client that reset before it was accepted as one that left", async () => {
    await using product = await start({ proxyProtocol: LOOPBACK });
    product.process.kill("SIGSTOP");
    const client = await peer.connect(product.port());
    await client.sendText(LINE);
    await client.reset();
    product.process.kill("SIGCONT");
    const reason = (name: string) => product.metric("l5d_srv_close_reason_total", { reason: name });
    await until("it has ended", async () => (await reason("client_left")) === 1);
    expect(await reason("proxy_untrusted")).toBe(0);
  });

  withPython("believes no header of a peer that is not trusted", async () => {
    const proxyProtocol = { trusted: ["10.0.0.0/8", "::1"], required: true };
    await using strict = await start({ proxyProtocol }, sends({ version: 1 }));
    const refused = await peer.connect(strict.port());
    expect((await refused.receive()).end).toBe("reset");
    expect(await strict.metric("l5d_srv_close_reason_total", { reason: "proxy_untrusted" })).toBe(
      1,
    );

    await using open = await start(
      { proxyProtocol: { ...proxyProtocol, required: false } },
      sends({ version: 1 }),
    );
    const client = await peer.connect(open.port());
    await client.sendText(LINE);
    const server = await endpoint.accept();
    expect(await lineAt(server)).toBe(
      `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.info.local} ${open.port()}`,
    );
    expect(await lineAt(server)).toBe(LINE.trimEnd());
    await client.close();
    await server.close();
  });

  withPython("knows a trusted IPv4 peer on a socket for both families", async () => {
    await using product = await start({ ip: "::", proxyProtocol: LOOPBACK }, sends({ version: 1 }));
    const client = await peer.connect(product.port());
    await client.sendText("PROXY UNKNOWN\r\n");
    const server = await endpoint.accept();
    expect(await lineAt(server)).toBe(
      `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.info.local} ${product.port()}`,
    );
    await client.close();
    await server.close();
  });
});

describe("a TLS server that expects PROXY headers", () => {
  const tls = () => {
    const { identity, files } = identityFiles("web", web);
    return { files, tls: { defaultIdentity: identity, alpnProtocols: ["h2"] } };
  };
  const hello = () => ({ ca: ca.certPem, serverName: "web.test", alpn: ["h2"] });

  withHaproxy("reads the header, shakes hands, and tells the endpoint of both", async () => {
    const { files, tls: spoken } = tls();
    await using product = await start(
      { proxyProtocol: LOOPBACK, tls: spoken },
      sends({ version: 2, tlvs: ALL_TLVS }),
      files,
    );
    await using haproxy = await FrontProxy.haproxy({
      config: ([port]) => `${HAPROXY_DEFAULTS}
listen front
  bind 127.0.0.1:${port}
  server product 127.0.0.1:${product.port()} send-proxy-v2 proxy-v2-options unique-id`,
    });
    const client = await peer.connect(haproxy.port(), { tls: hello() });
    expect(client.info.alpn).toBe("h2");
    const server = await endpoint.accept();
    const header = await headerAt(server);
    expect(header.ends).toEqual({
      source: { ip: "127.0.0.1", port: client.info.local },
      destination: { ip: "127.0.0.1", port: haproxy.port() },
    });
    const text = (type: number) => new TextDecoder("latin1").decode(tlvOf(header, type));
    expect([text(TLV.authority), text(TLV.alpn)]).toEqual(["web.test", "h2"]);
    expect(text(TLV.uniqueId)).toBe(`id-${client.info.local}`);
    expect(text(TLV.ssl)).toContain(client.info.version ?? "?");
    expect(text(TLV.ssl)).toContain(client.info.cipher ?? "?");
    await exchange(client, server, 16 * MIB);
  });

  withPython("shakes hands at once with peers that need no header", async () => {
    const { files, tls: spoken } = tls();
    const proxyProtocol = { trusted: ["10.0.0.0/8"], required: false };
    await using product = await start({ proxyProtocol, tls: spoken }, undefined, files);
    const client = await peer.connect(product.port(), { tls: hello() });
    await exchange(client, await endpoint.accept());
  });

  withPython("counts what is no handshake as a failed handshake", async () => {
    const { files, tls: spoken } = tls();
    await using product = await start({ proxyProtocol: LOOPBACK, tls: spoken }, undefined, files);
    for (const pieces of [[`${LINE}no hello at all`], [LINE, "no hello at all"]]) {
      const client = await peer.connect(product.port());
      for (const piece of pieces) await client.sendText(piece);
      expect((await client.receive()).end).not.toBeNull();
    }
    const gone = await peer.connect(product.port());
    await gone.sendText(LINE);
    await gone.reset();
    const number = (name: string) => product.metric(`l5d_srv_${name}`);
    await until("all have come", async () => (await number("accepts_total")) === 3);
    await until("all have ended", async () => (await number("active")) === 0);
    const reason = (name: string) => product.metric("l5d_srv_close_reason_total", { reason: name });
    expect([await reason("handshake_failed"), await reason("client_left")]).toEqual([2, 1]);
    expect(await product.metric("l5d_srv_tls_handshake_failure_total")).toBe(2);
  });
});

describe("PROXY headers to endpoints", () => {
  const HAPROXY_ECHO = (bind: string) => `${HAPROXY_DEFAULTS}
frontend behind
  mode http
  bind 127.0.0.1:${bind}
  http-request return content-type text/plain lf-string "%[src] %[src_port] %[dst_port] [%[fc_pp_authority]] [%[fc_pp_unique_id]]\\n"`;

  /** Asks over a connection of its own. Answers what the endpoint said, and which port the client had. */
  async function ask(port: number) {
    const client = await peer.connect(port);
    await client.sendText("GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
    const { text } = await client.receive();
    await client.close();
    return { body: text.split("\r\n\r\n")[1]?.trim(), local: client.info.local };
  }

  /** Expects a header, then TLS. */
  const tlsNginx = () =>
    FrontProxy.nginx({
      files: { "cert.pem": web.certPem, "key.pem": web.keyPem },
      config: ([port], folder) =>
        nginxHttp(`server { listen 127.0.0.1:${port} ssl proxy_protocol;
          ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;
          location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $ssl_server_name"; } }`),
    });

  for (const [name, proxyProtocol] of [
    ["version 1", { version: 1 }],
    ["version 2", { version: 2 }],
    ["version 2 with all TLVs", { version: 2, tlvs: ALL_TLVS }],
  ] as const) {
    withHaproxy(`are read by HAProxy: ${name}`, async () => {
      await using haproxy = await FrontProxy.haproxy({
        config: ([port]) => HAPROXY_ECHO(`${port} accept-proxy`),
      });
      const to = [`127.0.0.1:${haproxy.port()}`];
      await using product = await start({ to }, sends(proxyProtocol));
      const { body, local } = await ask(product.port());
      const id = "tlvs" in proxyProtocol ? "[0-9a-f]{32}" : "";
      expect(body).toMatch(
        new RegExp(`^127\\.0\\.0\\.1 ${local} ${product.port()} \\[\\] \\[${id}\\]$`),
      );
    });

    withNginx(`are read by nginx: ${name}`, async () => {
      await using nginx = await FrontProxy.nginx({
        config: ([port]) =>
          nginxHttp(`server { listen 127.0.0.1:${port} proxy_protocol; location / {
            return 200 "$proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_port";
          } }`),
      });
      const to = [`127.0.0.1:${nginx.port()}`];
      await using product = await start({ to }, sends(proxyProtocol));
      const { body, local } = await ask(product.port());
      expect(body).toBe(`127.0.0.1 ${local} ${product.port()}`);
    });

    withNginx(`come before TLS, and are read by nginx: ${name}`, async () => {
      await using nginx = await tlsNginx();
      const to = [`127.0.0.1:${nginx.port()}`];
      const client = globalTls("web.test", ["ca.pem"], { proxyProtocol });
      await using product = await start({ to }, client, { "ca.pem": ca.certPem });
      const { body, local } = await ask(product.port());
      expect(body).toBe(`127.0.0.1 ${local} web.test`);
    });
  }

  withNginx("come before TLS where the C library cannot be called, too", async () => {
    await using nginx = await tlsNginx();
    const to = [`127.0.0.1:${nginx.port()}`];
    const client = globalTls("web.test", ["ca.pem"], { proxyProtocol: { version: 2 } });
    await using product = await Product.start(proxyConfig([{ to }], client), {
      files: { "ca.pem": ca.certPem },
      env: { LINKERD_TCP_FFI: "off" },
    });
    const port = product.port();
    await until("it listens", () =>
      peer.connect(port).then(
        () => true,
        () => false,
      ),
    );
    const { body, local } = await ask(port);
    expect(body).toBe(`127.0.0.1 ${local} web.test`);
  });

  withHaproxy("go on a warm connection when a client takes it", async () => {
    await using haproxy = await FrontProxy.haproxy({
      config: ([port]) => HAPROXY_ECHO(`${port} accept-proxy`),
    });
    const to = [`127.0.0.1:${haproxy.port()}`];
    await using product = await start({ to }, sends({ version: 2 }, { minConnections: 1 }));
    await until("a warm connection", async () => {
      return (await product.metric("l5d_balancer_connection_warm")) === 1;
    });
    const { body, local } = await ask(product.port());
    expect(body).toBe(`127.0.0.1 ${local} ${product.port()} [] []`);
  });

  for (const version of [1, 2]) {
    withHaproxy(
      `of probes bring back a TLS endpoint that needs one: version ${version}`,
      async () => {
        await using haproxy = await FrontProxy.haproxy({
          later: true,
          files: { pem: `${web.certPem}\n${web.keyPem}` },
          config: ([port], folder) => HAPROXY_ECHO(`${port} accept-proxy ssl crt ${folder}/pem`),
        });
        // The last endpoint is never ejected: there is another one, of hardly any weight.
        const to = [`127.0.0.1:${haproxy.port()}`, "127.0.0.1:1 * 0.000000001"];
        const failFast = { maxConsecutiveFailures: 1, failurePenaltySecs: 1 };
        const proxyProtocol = { version };
        const client = globalTls("web.test", ["ca.pem"], { proxyProtocol, failFast });
        const server = { to, connectTimeoutMs: 200 };
        await using product = await start(server, client, { "ca.pem": ca.certPem });
        const lost = await peer.connect(product.port());
        expect((await lost.receive()).end).toBe("reset");
        const ejected = () => product.metric("l5d_endpoint_ejected");
        await until("the endpoint is ejected", async () => (await ejected()) === 1);
        await haproxy.run();
        await until("the endpoint is back", async () => (await ejected()) === 0);
        const { body, local } = await ask(product.port());
        expect(body).toStartWith(`127.0.0.1 ${local} `);
      },
    );
  }
});
