// What rotation and several types of key lean on in Bun's TLS contexts, and Bun does not document: see bun.test.ts.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordingHandlers } from "../../test/support/tls/recorder.ts";
import { has, run } from "../../test/support/tls/tools.ts";
import { type BunListener, createTlsContext, listen, type TlsContext } from "./bun.ts";

const withOpenssl = test.skipIf(!has("openssl"));
const listeners: BunListener[] = [];
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "linkerd-tcp-contexts-"));
});

afterAll(() => {
  for (const listener of listeners) listener.stop(true);
  rmSync(folder, { recursive: true });
});

/** A self-signed pair as OpenSSL makes it, in files of this name. */
async function make(name: string, ...newkey: string[]): Promise<{ cert: string; key: string }> {
  const [certFile, keyFile] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const subject = ["-subj", `/CN=${name}`, "-days", "2", "-out", certFile, "-keyout", keyFile];
  await run(["openssl", "req", "-x509", "-nodes", "-newkey", ...newkey, ...subject]);
  return { cert: await Bun.file(certFile).text(), key: await Bun.file(keyFile).text() };
}

const onCurve = (name: string) => make(name, "ec", "-pkeyopt", `ec_paramgen_curve:${name}`);

function contextOf(pairs: readonly { cert: string; key: string }[]): TlsContext {
  return createTlsContext({
    cert: pairs.map(({ cert }) => cert),
    key: pairs.map(({ key }) => key),
  });
}

function serve(secureContext: TlsContext, serverName?: () => TlsContext): number {
  const handlers = { ...recordingHandlers([]), ...(serverName && { serverName }) };
  const listener = listen(
    { hostname: "127.0.0.1", port: 0 },
    { ...handlers, handshake() {}, end: (socket) => socket.close() },
    { secureContext },
  );
  listeners.push(listener);
  return listener.port;
}

async function connect(port: number, ...args: string[]): Promise<string> {
  return (await run(["openssl", "s_client", "-connect", `127.0.0.1:${port}`, ...args])).stdout;
}

withOpenssl(
  "a context holds a pair of each type of key, and the client's algorithms choose",
  async () => {
    const pairs = [
      await make("rsa", "rsa:2048"),
      await onCurve("P-256"),
      await make("ed", "ed25519"),
    ];
    const port = serve(contextOf(pairs));
    for (const [algorithm, name] of [
      ["rsa_pss_rsae_sha256", "rsa"],
      ["ecdsa_secp256r1_sha256", "P-256"],
      ["ed25519", "ed"],
    ] as const) {
      expect(await connect(port, "-sigalgs", algorithm)).toContain(`subject=CN = ${name}\n`);
    }
  },
);

withOpenssl("P-384 and P-521 can be used, P-224 cannot", async () => {
  for (const curve of ["P-384", "P-521"]) {
    const output = await connect(serve(contextOf([await onCurve(curve)])));
    expect(output).toContain("New, TLSv1.3");
  }
  const other = await onCurve("P-224");
  expect(() => contextOf([other])).toThrow();
});

withOpenssl("of two EC keys in a context the later takes the place of the earlier", async () => {
  const port = serve(contextOf([await onCurve("P-256"), await onCurve("P-384")]));
  expect(await connect(port, "-sigalgs", "ecdsa_secp256r1_sha256")).toContain("New, (NONE)");
  expect(await connect(port)).toContain("subject=CN = P-384\n");
});

withOpenssl(
  "a ticket is good where both the listener's context and the one by name are the same objects",
  async () => {
    const [own, other] = [contextOf([await onCurve("P-256")]), contextOf([await onCurve("P-384")])];
    const session = join(folder, "session");
    const args = ["-tls1_2", "-servername", "any.test"];
    const first = serve(own, () => other);
    expect(await connect(first, ...args, "-sess_out", session)).toContain("New, TLSv1.2");
    const again = (port: number) => connect(port, ...args, "-sess_in", session);
    expect(await again(serve(own, () => other))).toContain("Reused, TLSv1.2");
    expect(await again(serve(own))).toContain("New, TLSv1.2");
    expect(await again(serve(other, () => other))).toContain("New, TLSv1.2");
  },
);
