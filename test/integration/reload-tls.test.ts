// Certificates and trust that change while connections run: new handshakes see the new ones, old connections go on.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ca, issue, makeCa } from "../support/certs.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { SteadyClients } from "../support/peers/steady.ts";
import { Product } from "../support/product.ts";
import { post, reloadWith, touched } from "../support/reload.ts";
import { globalTls, identityFiles, proxyConfig } from "../support/tls/config.ts";
import { sClient } from "../support/tls/openssl.ts";
import { Peer } from "../support/tls/peer.ts";
import { has } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const withPeers = test.skipIf(!has("python3") || !has("openssl"));

let python: PythonSockets;
let ca: Ca;
let otherCa: Ca;

beforeAll(async () => {
  python = new PythonSockets();
  [ca, otherCa] = await Promise.all([makeCa("One"), makeCa("Other")]);
});

afterAll(async () => {
  await python[Symbol.asyncDispose]();
});

withPeers(
  "a certificate that was replaced is shown to new clients, and old ones go on",
  async () => {
    const backend = await python.serve("echo");
    const certificates = await Promise.all(
      Array.from({ length: 6 }, () => issue(ca, { names: ["web.test"] })),
    );
    const { identity, files } = identityFiles("web", certificates[0] as never);
    const config = proxyConfig([
      { to: [`127.0.0.1:${backend.port}`], tls: { defaultIdentity: identity } },
    ]);
    await using product = await Product.start(config, {
      files: { ...files, "ca.pem": ca.certPem },
    });
    await using clients = await SteadyClients.start(
      [{ port: product.port(), ca: join(product.folder, "ca.pem"), name: "web.test" }],
      2,
      5,
    );
    const serial = async () => (await sClient(product.port())).chain[0]?.serialNumber;
    const seen = new Set([await serial()]);
    for (const [index, certificate] of certificates.entries()) {
      const { files: next } = identityFiles("web", certificate);
      for (const [name, text] of Object.entries(next))
        writeFileSync(join(product.folder, name), text);
      const answer = await post(product, "/reload");
      if (index === 0) {
        expect(answer.result).toBe("unchanged");
        continue;
      }
      expect(touched(answer)).toEqual([`changed server 127.0.0.1:${product.port()}`]);
      expect(answer.plan?.items[0]?.settings).toEqual([
        { setting: "tls.defaultIdentity", from: "an object", to: "an object" },
      ]);
      const now = await serial();
      expect(seen.has(now)).toBe(false);
      seen.add(now);
    }
    expect(await clients.stop()).toMatchObject({ held: 5, failures: {} });
  },
);

withPeers(
  "a server begins and ends to speak TLS, and those that are connected go on as they began",
  async () => {
    const backend = await python.serve("echo");
    const certificate = await issue(ca, { names: ["web.test"] });
    const { identity, files } = identityFiles("web", certificate);
    const config = (server: object) =>
      proxyConfig([{ to: [`127.0.0.1:${backend.port}`], ...server }]);
    const tls = { defaultIdentity: identity };
    const proxyProtocol = { trusted: ["10.0.0.0/8"], required: false };
    await using product = await Product.start(config({}), { files });
    await using peer = new Peer();
    const plain = await python.connect(product.port());
    await plain.write("a");
    expect(await plain.receive(1)).toMatchObject({ text: "a" });
    // TLS by the listener, by the session, and again by the listener.
    const versions = [{ tls }, { tls, proxyProtocol }, { tls }, {}];
    const streams = [];
    for (const version of versions) {
      expect((await reloadWith(product, config(version))).result).toBe("applied");
      if (!("tls" in version)) continue;
      const stream = await peer.connect(product.port(), {
        tls: { ca: ca.certPem, serverName: "web.test" },
      });
      streams.push(stream);
      for (const each of streams) await each.sendText("x");
    }
    await plain.write("b");
    expect(await plain.receive(1)).toMatchObject({ text: "b" });
    for (const [index, stream] of streams.entries()) {
      const got = await stream.receive(3 - index);
      expect(got.text).toBe("x".repeat(3 - index));
    }
    const last = await python.connect(product.port());
    await last.write("c");
    expect(await last.receive(1)).toMatchObject({ text: "c" });
  },
);

withPeers("what is trusted of endpoints changes for new connections", async () => {
  await using peer = new Peer();
  const { certPem, keyPem } = await issue(otherCa, { names: ["end.test"] });
  const backend = await peer.listen({ tls: { certPem, keyPem } });
  const config = proxyConfig(
    [{ to: [`127.0.0.1:${backend.port}`], connectTimeoutMs: 1_500 }],
    globalTls("end.test", ["trust.pem"]),
  );
  const files = { "trust.pem": otherCa.certPem };
  await using product = await Product.start(config, { files });
  const first = await python.connect(product.port());
  const upstream = await backend.accept();
  await first.write("a");
  expect((await upstream.receive(1)).text).toBe("a");

  writeFileSync(join(product.folder, "trust.pem"), ca.certPem);
  const answer = await post(product, "/reload");
  expect(touched(answer)).toEqual(["changed destination /svc/web"]);
  expect(answer.plan?.items[0]?.settings?.map(({ setting }) => setting)).toEqual(["tls.trustPem"]);
  const refused = await python.connect(product.port());
  expect(await refused.receive()).toMatchObject({ bytes: 0 });
  expect(await product.metric("l5d_srv_close_reason_total", { reason: "connect_timeout" })).toBe(1);
  await first.write("b");
  expect((await upstream.receive(1)).text).toBe("b");

  writeFileSync(join(product.folder, "trust.pem"), otherCa.certPem);
  expect((await post(product, "/reload")).result).toBe("applied");
  const again = await python.connect(product.port());
  const accepted = await backend.accept();
  await again.write("c");
  expect((await accepted.receive(1)).text).toBe("c");
});

withPeers("a certificate is followed with the file where that is asked for", async () => {
  const backend = await python.serve("echo");
  const [one, two] = await Promise.all([
    issue(ca, { names: ["one.test"] }),
    issue(ca, { names: ["two.test"] }),
  ]);
  const { identity, files } = identityFiles("web", one);
  const server = { to: [`127.0.0.1:${backend.port}`], tls: { defaultIdentity: identity } };
  const config = proxyConfig([server], undefined, { reloadOnChange: true });
  await using product = await Product.start(config, { files });
  expect((await sClient(product.port())).name).toBe("one.test");
  const { files: next } = identityFiles("web", two);
  for (const [name, text] of Object.entries(next)) writeFileSync(join(product.folder, name), text);
  await until(
    "the new one is seen",
    async () => (await sClient(product.port())).name === "two.test",
  );
});

withPeers("a key that does not fit its certificate changes nothing", async () => {
  const backend = await python.serve("echo");
  const [one, two] = await Promise.all([
    issue(ca, { names: ["one.test"] }),
    issue(ca, { names: ["two.test"] }),
  ]);
  const { identity, files } = identityFiles("web", one);
  const server = { to: [`127.0.0.1:${backend.port}`], tls: { defaultIdentity: identity } };
  await using product = await Product.start(proxyConfig([server]), { files });
  writeFileSync(join(product.folder, "web.key"), two.keyPem);
  const answer = await post(product, "/reload");
  expect(answer).toMatchObject({ status: 422, result: "invalid" });
  expect(answer.problems?.[0]).toContain("does not belong to the certificate");
  expect((await sClient(product.port())).name).toBe("one.test");
});
