// What follows from changes of PEM files, and what does not.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
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

const make = (name: string): Promise<Issued> => issue(ca, { names: [name] });
const sni = (name: string): readonly string[] => ["-servername", name];

function write(product: Product, name: string, issued: Issued): void {
  for (const [file, text] of Object.entries(identityFiles(name, issued).files)) {
    replace(product, file, text);
  }
}

withPeers("a volume of Kubernetes is followed when its link is replaced, and files that come and go", async () => {
  const [one, two, extra] = await Promise.all([make("web.test"), make("web.test"), make("more.test")]);
  const config = proxyConfig([{ to, tls: { directories: ["certs"] } }]);
  await using product = await Product.start(config, { before: "mkdir -p certs/volume", waitUntilServing: false });
  const folder = join(product.folder, "certs");
  // The folder is of the product's: this one begins with a directory that cannot be read, and says so.
  await product.process.exited;
  expect(product.stderr).toContain("tls.directories[0]: certs: there is no certificate with its key in it");

  const text = JSON.stringify(config);
  await using second = await Product.start(text.replace('"certs"', JSON.stringify(folder)), {
    before: "true",
    waitUntilServing: false,
  });
  await second.process.exited;
  mkdirSync(join(folder, "volume"), { recursive: true });
  swapVolume(join(folder, "volume"), one, 1);
  await using third = await Product.start(text.replace('"certs"', JSON.stringify(folder)));
  const port = third.port();
  await untilShown(port, one, ...sni("web.test"));
  swapVolume(join(folder, "volume"), two, 2);
  await untilShown(port, two, ...sni("web.test"));
  writeFileSync(join(folder, "more.pem"), extra.certPem + extra.keyPem);
  await untilShown(port, extra, ...sni("more.test"));
  rmSync(join(folder, "more.pem"));
  await until("it is gone", async () => (await shown(port, ...sni("more.test"))) === undefined);
  rmSync(folder, { recursive: true });
  await third.line(({ msg }) => msg === "a changed certificate is refused: the one before stays in use");
  expect(await shown(port, ...sni("web.test"))).toBe(serialOf(two));
});
