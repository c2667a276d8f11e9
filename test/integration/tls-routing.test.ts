// Servers that end TLS and choose by what it has agreed upon.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createConnection } from "node:net";
import { type Ca, type Issued, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles } from "../support/tls/config.ts";
import { Peer, type PeerServer } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";

setDefaultTimeout(60_000);
const withPython = test.skipIf(!has("python3"));

let peer: Peer;
let ca: Ca;
let web: PeerServer;
let api: PeerServer;
let rest: PeerServer;

beforeAll(async () => {
  ca = await makeCa();
  peer = new Peer();
  [web, api, rest] = [await peer.listen(), await peer.listen(), await peer.listen()];
});

afterAll(() => peer[Symbol.asyncDispose]());

const NAMES = ["web", "api", "other", "closed", "reset", "nobody"].map((name) => `${name}.test`);

async function start(
  server: object,
  tlsKeys: object = {},
  moreFiles: Readonly<Record<string, string>> = {},
): Promise<Product> {
  const names = {
    "/svc/web": [web.address],
    "/svc/api": [api.address],
    "/svc/rest": [rest.address],
  };
  const { identity, files } = identityFiles("all", await issue(ca, { names: NAMES }));
  const tls = { defaultIdentity: identity, alpnProtocols: ["h2", "http/1.1"], ...tlsKeys };
  return Product.start(
    {
      admin: { port: 0 },
      routers: [
        {
          label: "r",
          interpreter: { kind: "io.l5d.static", names },
          servers: [{ port: 0, tls, ...server }],
        },
      ],
    },
    { files: { ...files, ...moreFiles } },
  );
}

/** Whether a client with this name and these protocols gets to `to`, and its first bytes too. */
async function reaches(
  product: Product,
  to: PeerServer,
  serverName: string | undefined,
  alpn: readonly string[] = [],
  own: Partial<Issued> = {},
): Promise<void> {
  const tls = { ca: ca.certPem, alpn, ...(serverName !== undefined && { serverName }), ...own };
  const client = await peer.connect(product.port(), { tls });
  await client.sendText("hello");
  const server = await to.accept();
  expect((await server.receive(5)).text).toBe("hello");
  await Promise.all([client.close(), server.close()]);
}

const ROUTES = [
  { match: { sni: ["web.test"], alpn: ["h2"] }, dstName: "/svc/web" },
  { match: { sni: ["web.test", "api.test"] }, dstName: "/svc/api" },
  { match: { sni: ["closed.test"] }, answer: "close" },
  { match: { sni: ["reset.test"] }, answer: "reset" },
];

withPython("goes by the name and the protocol that were agreed upon", async () => {
  await using product = await start({ routes: ROUTES, dstName: "/svc/rest" });
  await reaches(product, web, "web.test", ["http/1.1", "h2"]);
  await reaches(product, api, "web.test", ["http/1.1"]);
  await reaches(product, api, "api.test");
  await reaches(product, rest, "other.test", ["h2"]);
  await reaches(product, rest, undefined);
});

withPython("of plain TCP it goes by the client's address", async () => {
  const source = { match: { source: ["127.0.0.2/32"] }, dstName: "/svc/web" };
  await using product = await start({
    ip: "0.0.0.0",
    tls: undefined,
    routes: [source],
    dstName: "/svc/rest",
  });
  for (const [localAddress, to] of [
    ["127.0.0.1", rest],
    ["127.0.0.2", web],
  ] as const) {
    const client = createConnection({ port: product.port(), host: "127.0.0.1", localAddress });
    client.on("error", () => {});
    const server = await to.accept();
    client.destroy();
    await server.close();
  }
});

withPython("ends a connection in good order, or by a reset, as a rule says", async () => {
  await using product = await start({ routes: ROUTES, otherwise: { noServerName: "close" } });
  const end = async (serverName?: string) => {
    const tls = { ca: ca.certPem, ...(serverName !== undefined && { serverName }) };
    const client = await peer.connect(product.port(), { tls });
    const { end: how } = await client.receive();
    await client.close();
    return how;
  };
  expect(await end("closed.test")).toBe("close_notify");
  expect(await end("reset.test")).toBe("reset");
  expect(await end("nobody.test")).toBe("reset");
  expect(await end()).toBe("close_notify");
  const reason = (name: string) => product.metric("l5d_srv_close_reason_total", { reason: name });
  expect([
    await reason("route_refused"),
    await reason("no_route"),
    await reason("no_server_name"),
  ]).toEqual([2, 1, 1]);
});

withPython("goes by the names of the client's certificate, where that was verified", async () => {
  const clients = await makeCa("Clients");
  const known = await issue(clients, { names: ["job.test"], uris: ["spiffe://td/ns/a/sa/job"] });
  const unknown = await issue(clients, { names: ["spiffe.test"] });
  const stranger = await issue(await makeCa("Clients"), { uris: ["spiffe://td/ns/a/sa/job"] });
  await using product = await start(
    {
      routes: [{ match: { clientSan: ["spiffe://td/ns/*/sa/job"] }, dstName: "/svc/api" }],
      dstName: "/svc/rest",
    },
    { clientAuth: { trustCerts: ["clients.pem"] } },
    { "clients.pem": clients.certPem },
  );
  await reaches(product, api, "web.test", [], known);
  await reaches(product, rest, "web.test", [], unknown);
  await reaches(product, rest, "web.test", []);
  // A certificate of somebody else's is none: with one the client is refused.
  const client = await peer.connect(product.port(), { tls: { ca: ca.certPem, ...stranger } });
  expect((await client.receive()).end).not.toBe("eof");
  expect(await product.metric("l5d_srv_tls_handshake_failure_total")).toBe(1);
});
