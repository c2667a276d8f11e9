// Certificates that are replaced under a running proxy: nobody asks for a reload, and no handshake is lost.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type Ca, type Issued, issue, makeCa } from "../support/certs.ts";
import { PythonScript } from "../support/peers/python-script.ts";
import { PythonSockets } from "../support/peers/python-sockets.ts";
import { Product } from "../support/product.ts";
import { replace, serialOf, untilShown } from "../support/rotation.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { sClient } from "../support/tls/openssl.ts";
import { has, run } from "../support/tls/tools.ts";

setDefaultTimeout(120_000);
const withPeers = test.skipIf(!has("python3") || !has("openssl") || !has("node"));
const HANDSHAKES = 1_000;

let python: PythonSockets;
let ca: Ca;

beforeAll(async () => {
  python = new PythonSockets();
  ca = await makeCa();
});

afterAll(async () => {
  await python[Symbol.asyncDispose]();
});

/** A server with a default identity of two types of key and one by name, and the pairs that will take their places. */
async function scene(server: object) {
  const backend = await python.serve("echo");
  const make = (name: string, algorithm: "ecdsa" | "rsa" = "ecdsa"): Promise<Issued> =>
    issue(ca, { names: [name], algorithm });
  const [ec, rsa, named] = await Promise.all([
    make("web.test"),
    make("web.test", "rsa"),
    make("named.test"),
  ]);
  const next = {
    ec: await make("web.test"),
    rsa: await make("web.test", "rsa"),
    named: await make("named.test"),
  };
  const parts = [identityFiles("ec", ec), identityFiles("rsa", rsa), identityFiles("named", named)];
  const [one, two, three] = parts.map(({ identity }) => identity);
  const tls = { defaultIdentity: [one, two], identities: { "named.test": three } };
  const config = proxyConfig([{ to: [`127.0.0.1:${backend.port}`], tls, ...server }], undefined, {
    workers: 2,
  });
  const files = Object.assign({ "ca.pem": ca.certPem }, ...parts.map((part) => part.files));
  const product = await Product.start(config, { files });
  return { product, before: { ec, rsa, named }, next };
}

function replaceAll(product: Product, next: Readonly<Record<string, Issued>>): void {
  for (const [name, issued] of Object.entries(next)) {
    for (const [file, text] of Object.entries(identityFiles(name, issued).files)) {
      replace(product, file, text);
    }
  }
}

for (const [how, server, header] of [
  ["with TLS", {}, false],
  ["with a PROXY header before TLS", { proxyProtocol: { trusted: ["127.0.0.0/8"] } }, true],
] as const) {
  withPeers(`no handshake is lost by a server ${how} while certificates are replaced`, async () => {
    const { product, before, next } = await scene(server);
    await using _ = product;
    const port = product.port();
    const caFile = join(product.folder, "ca.pem");
    const orders = { port, ca: caFile, count: HANDSHAKES, threads: 4, header };
    await using clients = new PythonScript(
      "handshakes.py",
      JSON.stringify({ ...orders, names: ["web.test", "named.test", null] }),
    );
    await clients.report("some handshakes", ({ done }) => Number(done) >= 200);
    const script = join(import.meta.dir, "../support/peers/node-handshakes.mjs");
    const node = header
      ? undefined
      : run(["node", script, String(port), caFile, "200", "web.test"]);
    replaceAll(product, next);
    for (const name of ["named.test", "web.test"]) {
      const issued = name === "web.test" ? next.ec : next.named;
      await clients.report(`the new ${name}`, ({ serials }) =>
        Object.hasOwn((serials as Record<string, object>)[name] ?? {}, serialOf(issued)),
      );
    }
    const reports = await clients.finish();
    const last = reports.at(-1) as {
      readonly done: number;
      readonly serials: object;
      failures: object;
    };
    expect(last.failures).toEqual({});
    expect(last.done).toBeGreaterThanOrEqual(HANDSHAKES);
    const both = (one: Issued, two: Issued) =>
      Object.fromEntries([one, two].map((issued) => [serialOf(issued), expect.any(Number)]));
    expect(last.serials).toEqual({
      "web.test": both(before.ec, next.ec),
      "named.test": both(before.named, next.named),
      None: both(before.ec, next.ec),
    });
    if (node !== undefined) expect(JSON.parse((await node).stdout)).toEqual({ ok: 200 });
    if (!header) {
      await untilShown(port, next.rsa, "-sigalgs", "rsa_pss_rsae_sha256");
      expect((await sClient(port, "-sigalgs", "rsa_pss_rsae_sha256")).signature).toBe("RSA-PSS");
    }
    expect(await product.metric("l5d_tls_rotation_failure_total")).toBe(0);
    expect(await product.metric("l5d_tls_rotation_success_total")).toBeGreaterThanOrEqual(3);
    expect(await product.metric("l5d_srv_tls_handshake_failure_total")).toBe(0);
  });
}
