// Health checks by TLS, against Python's ssl module.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { proxyTo } from "../support/peers/proxy-config.ts";
import { Product } from "../support/product.ts";
import { Peer, type PeerServer } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";

setDefaultTimeout(40_000);
const NAME = "web.example.com";
const ECHO = { kind: "exchange", send: "PING\\n", expect: "PING\\n" };

describe.skipIf(!has("python3"))("healthCheck by TLS", () => {
  let peer: Peer;
  let ca: Ca;
  let secure: PeerServer;
  let plain: PeerServer;

  beforeAll(async () => {
    peer = new Peer();
    ca = await makeCa();
    secure = await peer.listen({ tls: await issue(ca, { names: [NAME] }) });
    plain = await peer.listen();
    await Promise.all([secure.echoAll(), plain.echoAll()]);
  });

  afterAll(() => peer[Symbol.asyncDispose]());

  const tls = { dnsName: NAME, trustCerts: ["ca.pem"] };

  /** What the first check says: `healthy`, or why not. */
  async function check(server: PeerServer, healthCheck: object, client: object): Promise<string> {
    const once = {
      intervalMs: 60_000,
      timeoutMs: 10_000,
      fall: 1,
      initially: "unhealthy",
      ...healthCheck,
    };
    const config = proxyTo({ to: [server.port], client: { healthCheck: once, ...client } });
    await using product = await Product.start(config, { files: { "ca.pem": ca.certPem } });
    const line = await product.line(({ msg }) => /^endpoint (?:un)?healthy$/.test(msg));
    return line.msg === "endpoint healthy" ? "healthy" : String(line["reason"]);
  }

  test.each<[string, object, object]>([
    ["shakes hands with the name of connections", { kind: "tls" }, { tls }],
    ["shakes hands with a name of its own", { kind: "tls", tls }, {}],
    ["speaks TLS where connections do", ECHO, { tls }],
    ["speaks TLS with a name of its own", { ...ECHO, tls }, { tls: { ...tls, dnsName: "x.test" } }],
    ["connects without TLS", { kind: "tcp" }, { tls }],
  ])("%s", async (_, healthCheck, client) => {
    expect(await check(secure, healthCheck, client)).toBe("healthy");
  });

  test("verifies the name", async () => {
    const other = { ...tls, dnsName: "other.example.com" };
    expect(await check(secure, { kind: "tls", tls: other }, { tls })).toStartWith("tls: ");
  });

  test("speaks plain text where it is told to, or where it goes to another port", async () => {
    expect(await check(plain, { ...ECHO, tls: "none" }, { tls })).toBe("healthy");
    expect(await check(secure, { ...ECHO, port: plain.port }, { tls })).toBe("healthy");
    expect(await check(secure, { ...ECHO, tls: "none" }, { tls })).not.toBe("healthy");
  });
});
