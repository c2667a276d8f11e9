// What follows from changes of PEM files, and what does not.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ca, type Issued, issue, makeCa } from "../support/certs.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { Product } from "../support/product.ts";
import { post, rewrite } from "../support/reload.ts";
import { replace, serialOf, shown, swapVolume, untilShown } from "../support/rotation.ts";
import { globalTls, identityFiles, proxyConfig } from "../support/tls/config.ts";
import { Peer } from "../support/tls/peer.ts";
import { has, run } from "../support/tls/tools.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(120_000);
const withPeers = test.skipIf(!has("python3") || !has("openssl"));

let python: PythonSockets;
let to: readonly string[];
let ca: Ca;

beforeAll(async () => {
  python = new PythonSockets();
  to = [`127.0.0.1:${(await python.serve("echo")).port}`];
  ca = await makeCa();
});

afterAll(async () => {
  await python[Symbol.asyncDispose]();
});

const REFUSED = "a changed certificate is refused";
const make = (name: string): Promise<Issued> => issue(ca, { names: [name] });
const sni = (name: string): readonly string[] => ["-servername", name];

function write(product: Product, name: string, issued: Issued): void {
  for (const [file, text] of Object.entries(identityFiles(name, issued).files)) {
    replace(product, file, text);
  }
}

withPeers(
  "a volume of Kubernetes is followed, and files of a directory that come and go",
  async () => {
    const [one, two, extra] = await Promise.all(
      ["web.test", "web.test", "more.test"].map((name) => make(name)),
    );
    const folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-certs-"));
    try {
      mkdirSync(join(folder, "volume"));
      swapVolume(join(folder, "volume"), one as Issued, 1);
      const config = proxyConfig([{ to, tls: { directories: [folder] } }]);
      await using product = await Product.start(config);
      const port = product.port();
      expect(await shown(port, ...sni("web.test"))).toBe(serialOf(one as Issued));
      swapVolume(join(folder, "volume"), two as Issued, 2);
      await untilShown(port, two as Issued, ...sni("web.test"));
      writeFileSync(join(folder, "more.pem"), `${extra?.certPem}${extra?.keyPem}`);
      await untilShown(port, extra as Issued, ...sni("more.test"));
      const ends = (): Promise<number | undefined> =>
        product.metric("l5d_tls_certificate_not_after_timestamp_seconds", { name: "more.test" });
      await until("it is in the metrics", async () => (await ends()) !== undefined);
      rmSync(join(folder, "more.pem"));
      await until("it is gone", async () => (await shown(port, ...sni("more.test"))) === undefined);
      expect(await ends()).toBeUndefined();
      // A volume that is not there any more takes nothing away.
      rmSync(folder, { recursive: true });
      const refused = await product.line(({ msg }) => msg.startsWith(REFUSED));
      expect(refused["problem"]).toBe(`${folder}: there is no such directory`);
      expect(await shown(port, ...sni("web.test"))).toBe(serialOf(two as Issued));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

withPeers("a pair that does not fit is refused loudly, and others are not held up", async () => {
  const [one, other] = await Promise.all([make("one.test"), make("other.test")]);
  const parts = [identityFiles("one", one), identityFiles("other", other)];
  const identities = {
    "one.test": parts[0]?.identity,
    "other.test": parts[1]?.identity,
  };
  const config = proxyConfig([{ to, tls: { identities } }], undefined, { workers: 2 });
  const files = Object.assign({}, ...parts.map((part) => part.files));
  await using product = await Product.start(config, { files });
  const port = product.port();
  const [nextOne, nextOther] = await Promise.all([make("one.test"), make("other.test")]);
  writeFileSync(join(product.folder, "one.key"), nextOne.keyPem);
  write(product, "other", nextOther);
  await untilShown(port, nextOther, ...sni("other.test"));
  const line = await product.line(({ msg }) => msg.startsWith(REFUSED));
  expect(line).toMatchObject({
    level: "error",
    module: "tls",
    unit: 'routers[0].servers[0].tls.identities["one.test"]',
    problem: "one.key: it does not belong to the certificate in one-0.pem",
  });
  expect(await shown(port, ...sni("one.test"))).toBe(serialOf(one));
  expect(await product.metric("l5d_tls_rotation_failure_total")).toBe(1);
  expect(await product.metric("l5d_tls_rotation_refused")).toBe(1);
  expect(await (await product.admin("/")).text()).toContain(
    "Refused, the one before stays in use: routers[0]",
  );
  write(product, "one", nextOne);
  await untilShown(port, nextOne, ...sni("one.test"));
  await until(
    "nothing is refused any more",
    async () => (await product.metric("l5d_tls_rotation_refused")) === 0,
  );
});

withPeers(
  "a certificate that has expired does not take the place of one that is valid",
  async () => {
    const one = await make("web.test");
    const { identity, files } = identityFiles("web", one);
    const config = proxyConfig([{ to, tls: { defaultIdentity: identity } }]);
    await using product = await Product.start(config, { files });
    write(product, "web", await issue(ca, { names: ["web.test"], days: -1 }));
    const line = await product.line(({ msg }) => msg.startsWith(REFUSED));
    expect(line["problem"]).toMatch(/^web-0.pem: the certificate of web.test expired on /);
    expect(await shown(product.port())).toBe(serialOf(one));
  },
);

withPeers(
  "an edit of the configuration that nobody has reloaded waits for its reload",
  async () => {
    const [one, two] = await Promise.all([make("web.test"), make("web.test")]);
    const { identity, files } = identityFiles("web", one);
    const config = (tls: object, rest: object = {}) =>
      proxyConfig([{ to, tls: { defaultIdentity: identity, ...tls }, ...rest }]);
    await using product = await Product.start(config({}), { files });
    const port = product.port();
    const fingerprint = async () => {
      const { configuration } = (await (await product.admin("/status.json")).json()) as {
        readonly configuration: { readonly fingerprint: string };
      };
      return configuration.fingerprint;
    };
    const before = await fingerprint();
    rewrite(product, config({ alpnProtocols: ["h2"] }, { idleTimeoutSecs: 1 }));
    write(product, "web", two);
    await untilShown(port, two);
    const { stdout } = await run([
      "openssl",
      "s_client",
      "-connect",
      `127.0.0.1:${port}`,
      "-alpn",
      "h2",
    ]);
    expect(stdout).toContain("No ALPN negotiated");
    const rotated = await fingerprint();
    expect(rotated).not.toBe(before);
    expect(await post(product, "/plan")).toMatchObject({
      summary: [expect.stringContaining("tls.alpnProtocols")],
    });
    // The file as it was, with the certificates of now: what is in effect.
    rewrite(product, config({}));
    expect(await post(product, "/reload")).toMatchObject({
      result: "unchanged",
      configuration: { fingerprint: rotated, generation: 1 },
    });
    // And then files are followed as before.
    const three = await make("web.test");
    write(product, "web", three);
    await untilShown(port, three);
  },
);

withPeers("what is trusted of endpoints is followed", async () => {
  const otherCa = await makeCa("Other");
  await using peer = new Peer();
  const backend = await peer.listen({ tls: await issue(otherCa, { names: ["end.test"] }) });
  const config = proxyConfig(
    [{ to: [backend.address], connectTimeoutMs: 1_000 }],
    globalTls("end.test", ["trust.pem"]),
  );
  await using product = await Product.start(config, { files: { "trust.pem": ca.certPem } });
  expect(await (await python.connect(product.port())).receive()).toMatchObject({ bytes: 0 });
  replace(product, "trust.pem", "-----BEGIN CERTIFICATE-----\n");
  await product.line(({ msg }) => msg.startsWith(REFUSED));
  replace(product, "trust.pem", ca.certPem + otherCa.certPem);
  await product.line(({ unit }) => unit === "routers[0].client.tls.trustCerts", 60_000);
  await backend.echoAll();
  await until("it is trusted", async () => {
    const client = await python.connect(product.port());
    await client.write("a");
    const { text } = await client.receive(1);
    return text === "a";
  });
});

withPeers("sessions are resumed while an identity by name changes", async () => {
  const [one, other] = await Promise.all([make("one.test"), make("other.test")]);
  const parts = [identityFiles("one", one), identityFiles("other", other)];
  const identities = { "one.test": parts[0]?.identity };
  const tls = { defaultIdentity: parts[1]?.identity, identities };
  const files = Object.assign({}, ...parts.map((part) => part.files));
  await using product = await Product.start(proxyConfig([{ to, tls }]), { files });
  const port = product.port();
  const session = join(product.folder, "session");
  const connect = async (...args: string[]): Promise<string> => {
    const address = `127.0.0.1:${port}`;
    const command = ["openssl", "s_client", "-connect", address, "-tls1_2", "-noservername"];
    return (await run([...command, ...args])).stdout;
  };
  expect(await connect("-sess_out", session)).toContain("New, TLSv1.2");
  expect(await connect("-sess_in", session)).toContain("Reused, TLSv1.2");
  const next = await make("one.test");
  write(product, "one", next);
  await untilShown(port, next, ...sni("one.test"));
  expect(await connect("-sess_in", session)).toContain("Reused, TLSv1.2");
});

withPeers("files are left alone where that is said", async () => {
  const [one, two] = await Promise.all([make("web.test"), make("web.test")]);
  const { identity, files } = identityFiles("web", one);
  const server = { to, tls: { defaultIdentity: identity } };
  const config = proxyConfig([server], undefined, { followCertificates: false });
  await using product = await Product.start(config, { files });
  write(product, "web", two);
  // The reload says that there was something left to do.
  expect((await post(product, "/plan")).summary).toHaveLength(1);
  expect(await shown(product.port())).toBe(serialOf(one));
  expect(await product.metric("l5d_tls_rotation_success_total")).toBe(0);
  rewrite(product, proxyConfig([server]));
  expect((await post(product, "/reload")).result).toBe("applied");
  expect(await shown(product.port())).toBe(serialOf(two));
  await product.line(({ msg }) => msg === "reload is over");
  write(product, "web", one);
  await untilShown(product.port(), one);
});
