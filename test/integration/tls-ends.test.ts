// How TLS ends: our close_notify, and peers that send none. Peers: Python, OpenSSL.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { Peer, type PeerServer, type PeerStream } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const withPython = test.skipIf(!has("python3"));
const VERSIONS = ["TLSv1_2", "TLSv1_3"] as const;
/** Whether close_notify is required, on both sides. */
const MODES = {
  optional: { closeNotify: "optional" },
  required: { closeNotify: "required" },
  /** The same on a server where PROXY headers may come. */
  headers: { closeNotify: "required" },
} as const;
type Mode = keyof typeof MODES;

const running = new AsyncDisposableStack();
const endpoints = new Map<Mode, PeerServer>();
let ca: Ca;
let peer: Peer;
let product: Product;

beforeAll(async () => {
  ca = await makeCa();
  const outer = identityFiles("outer", await issue(ca, { names: ["outer.test"] }));
  const inner = await issue(ca, { names: ["inner.test"] });
  peer = running.use(new Peer());
  const servers = [];
  const configs = [];
  for (const [mode, { closeNotify }] of Object.entries(MODES) as [Mode, (typeof MODES)[Mode]][]) {
    const endpoint = await peer.listen({ tls: inner });
    endpoints.set(mode, endpoint);
    const dst = `/svc/${mode}`;
    servers.push({
      ...{ to: [endpoint.address], dst, tls: { defaultIdentity: outer.identity, closeNotify } },
      ...(mode === "headers" && { proxyProtocol: { trusted: ["192.0.2.0/24"], required: false } }),
    });
    const tls = { dnsName: "inner.test", trustCerts: ["ca.pem"], closeNotify };
    configs.push({ prefix: dst, tls });
  }
  const client = { kind: "io.l5d.static", configs };
  product = running.use(
    await Product.start(proxyConfig(servers, client), {
      files: { ...outer.files, "ca.pem": ca.certPem },
    }),
  );
}, 60_000);

afterAll(() => running.disposeAsync());

interface Ends {
  readonly client: PeerStream;
  readonly endpoint: PeerStream;
}

/** Both ends of a connection on which the client has asked `question`. */
async function connected(mode: Mode, version: string): Promise<Ends> {
  const server = endpoints.get(mode);
  if (server === undefined) throw new Error(`no endpoint for ${mode}`);
  const tls = { ca: ca.certPem, serverName: "outer.test", min: version, max: version };
  const client = await peer.connect(product.port(`/svc/${mode}`), { tls });
  await client.sendText("question");
  const endpoint = await server.accept();
  expect(await endpoint.receive(8)).toMatchObject({ text: "question" });
  return { client, endpoint };
}

async function ended(mode: Mode, reason: string, deed: () => Promise<void>): Promise<void> {
  const labels = { reason, srv_addr: `127.0.0.1:${product.port(`/svc/${mode}`)}` };
  const count = async () => (await product.metric("l5d_srv_close_reason_total", labels)) ?? 0;
  const before = await count();
  await deed();
  await until(`${mode}: one has ended with ${reason}`, async () => (await count()) === before + 1);
}

for (const version of VERSIONS) {
  for (const mode of ["optional", "required", "headers"] as const) {
    describe(`${version}, close_notify ${mode}`, () => {
      withPython("ends in good order go on as such, with close_notify of ours", async () => {
        await ended(mode, "eof", async () => {
          const { client, endpoint } = await connected(mode, version);
          await client.shutdown();
          expect(await endpoint.receive()).toMatchObject({ size: 0, end: "close_notify" });
          await endpoint.sendText("ab");
          await endpoint.shutdown();
          expect(await client.receive()).toMatchObject({ text: "ab", end: "close_notify" });
          await Promise.all([client.close(), endpoint.close()]);
        });
      });

      withPython("close_notify, FIN and the last bytes may come together", async () => {
        await ended(mode, "eof", async () => {
          const { client, endpoint } = await connected(mode, version);
          await client.sendText("ab");
          await client.shutdown();
          await client.fin();
          expect(await endpoint.receive()).toMatchObject({ text: "ab", end: "close_notify" });
          await endpoint.sendText("cd");
          await endpoint.shutdown();
          await endpoint.close();
          expect(await client.receive()).toMatchObject({ text: "cd", end: "close_notify" });
          await client.close();
        });
      });
    });
  }

  describe(`${version}, an end by a bare FIN`, () => {
    withPython("is one in good order by default", async () => {
      await ended("optional", "eof", async () => {
        const { client, endpoint } = await connected("optional", version);
        await client.fin();
        expect(await endpoint.receive()).toMatchObject({ size: 0, end: "close_notify" });
        await endpoint.shutdown();
        expect(await client.receive()).toMatchObject({ end: "close_notify" });
        await Promise.all([client.close(), endpoint.close()]);
      });
    });

    withPython("resets the endpoint where PROXY headers may come, too", async () => {
      await ended("headers", "client_truncated", async () => {
        const { client, endpoint } = await connected("headers", version);
        await client.fin();
        expect(await endpoint.receive()).not.toMatchObject({ end: "close_notify" });
        await Promise.all([client.close(), endpoint.close()]);
      });
    });

    for (const last of ["", "ab", "abc", "x".repeat(40_000)]) {
      withPython(`of the client resets the endpoint, after ${last.length} bytes`, async () => {
        await ended("required", "client_truncated", async () => {
          const { client, endpoint } = await connected("required", version);
          if (last !== "") await client.sendText(last);
          await client.fin();
          const got = await endpoint.receive();
          // What came before is delivered. A reset is seen as one, or, where the kernel has dropped it, as a bare end.
          expect({ size: got.size, end: got.end === "close_notify" }).toEqual({
            size: last.length,
            end: false,
          });
          await Promise.all([client.close(), endpoint.close()]);
        });
      });

      withPython(`of the endpoint resets the client, after ${last.length} bytes`, async () => {
        await ended("required", "upstream_truncated", async () => {
          const { client, endpoint } = await connected("required", version);
          if (last !== "") await endpoint.sendText(last);
          await endpoint.fin();
          const got = await client.receive();
          expect(got.end).not.toBe("close_notify");
          expect(got.size).toBe(last.length);
          await Promise.all([client.close(), endpoint.close()]);
        });
      });
    }
  });
}
