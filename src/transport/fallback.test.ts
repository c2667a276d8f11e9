// The product where the C library cannot be called: slower to tell failures apart, but it serves all the same.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Ca, issue, makeCa } from "../../test/support/certs.ts";
import { Product, type ProductOptions } from "../../test/support/product.ts";
import { globalTls, identityFiles, proxyConfig } from "../../test/support/tls/config.ts";
import { Peer, type PeerServer } from "../../test/support/tls/peer.ts";
import { statesOf, TCP } from "../../test/support/tls/recorder.ts";
import { has } from "../../test/support/tls/tools.ts";
import { until } from "../../test/support/until.ts";

const withPython = test.skipIf(!has("python3"));
const WITHOUT_FFI = { env: { LINKERD_TCP_FFI: "off" } };

let peer: Peer;
let endpoint: PeerServer;
let ca: Ca;

beforeAll(async () => {
  peer = new Peer();
  endpoint = await peer.listen();
  await endpoint.echoAll();
  ca = await makeCa();
});

afterAll(async () => peer[Symbol.asyncDispose]());

/** Starts the product and waits until its workers listen. */
async function start(config: unknown, options: ProductOptions = {}, workers = 1): Promise<Product> {
  const product = await Product.start(config, { ...WITHOUT_FFI, ...options });
  await until("the workers listen", async () => (await listening(product)) === workers);
  return product;
}

async function listening(product: Product): Promise<number> {
  return (await statesOf(product.port())).filter((state) => state === TCP.listen).length;
}

withPython("without FFI connections are accepted once it says that it is ready", async () => {
  const config = proxyConfig([{ to: [endpoint.address] }], undefined, { workers: 2 });
  await using product = await Product.start(config, WITHOUT_FFI);
  expect(await listening(product)).toBe(2);
});

withPython("without FFI it serves on port 0, and bytes go both ways to the end", async () => {
  const config = proxyConfig([{ to: [endpoint.address] }]);
  await using product = await start(config);
  expect(product.port()).toBeGreaterThan(0);
  const stream = await peer.connect(product.port());
  const echoed = stream.receive();
  const sha256 = await stream.send(3 << 20);
  await stream.shutdown();
  expect(await echoed).toMatchObject({ size: 3 << 20, sha256, end: "fin" });
});

withPython("without FFI several workers share a port", async () => {
  const config = proxyConfig([{ to: [endpoint.address] }], undefined, { workers: 3 });
  await using product = await start(config, {}, 3);
  await Promise.all(
    Array.from({ length: 60 }, async (_, seed) => {
      const stream = await peer.connect(product.port());
      const echoed = stream.receive();
      const sha256 = await stream.send(5_000, seed);
      await stream.shutdown();
      expect(await echoed).toMatchObject({ sha256 });
    }),
  );
});

withPython("without FFI TLS is spoken and verified on both sides", async () => {
  const outer = identityFiles("outer", await issue(ca, { names: ["outer.test"] }));
  const inner = await peer.listen({ tls: await issue(ca, { names: ["inner.test"] }) });
  await inner.echoAll();
  const wrong = await peer.listen({ tls: await issue(ca, { names: ["wrong.test"] }) });
  const config = proxyConfig(
    [
      {
        to: [inner.address, wrong.address],
        tls: { defaultIdentity: outer.identity, handshakeTimeoutMs: 300 },
      },
    ],
    globalTls("inner.test", ["ca.pem"]),
  );
  const files = { ...outer.files, "ca.pem": ca.certPem };
  await using product = await start(config, { files });
  const silent = await peer.connect(product.port());
  for (let n = 0; n < 5; n += 1) {
    const tls = { ca: ca.certPem, serverName: "outer.test" };
    const stream = await peer.connect(product.port(), { tls });
    await stream.sendText("ping");
    expect(await stream.receive(4)).toMatchObject({ text: "ping" });
  }
  expect((await wrong.stats()).raw).not.toContain("ping");
  expect((await silent.receive()).end).toBe("reset");
});

withPython("without FFI an endpoint that refuses or never answers is passed over", async () => {
  const deaf = await peer.listenDeaf();
  const to = ["127.0.0.1:1", `127.0.0.1:${deaf}`, endpoint.address];
  const config = proxyConfig([{ to }], { kind: "io.l5d.global", connectTimeoutMs: 150 });
  await using product = await start(config);
  for (let n = 0; n < 10; n += 1) {
    const stream = await peer.connect(product.port());
    await stream.sendText("ping");
    expect(await stream.receive(4)).toMatchObject({ text: "ping" });
    await stream.close();
  }
  await until("all have ended", async () => (await product.metric("l5d_srv_active")) === 0);
});

withPython(
  // Each worker has the only copy of its listening socket there, and closes it: the excess is refused, not queued.
  "without FFI no more connections are served at a time than maxConcurrency allows",
  async () => {
    const config = proxyConfig([{ to: [endpoint.address], maxConcurrency: 2 }]);
    await using product = await start(config);
    const ping = async () => {
      const stream = await peer.connect(product.port());
      await stream.sendText("ping");
      expect(await stream.receive(4)).toMatchObject({ text: "ping" });
      return stream;
    };
    const [first] = await Promise.all([ping(), ping()]);
    await first?.close();
    let third: Awaited<ReturnType<typeof ping>> | undefined;
    await until("a place is free again", async () => {
      third = await ping().catch(() => undefined);
      return third !== undefined;
    });
    expect(await product.metric("l5d_srv_active")).toBeLessThanOrEqual(2);
    await third?.close();
  },
);
