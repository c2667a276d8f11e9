// What Bun tells of a client's certificate: names only of one that was verified.
import { describe, expect, test } from "bun:test";
import { type ConnectionOptions, connect, createSecureContext } from "node:tls";
import { type Ca, issue, makeCa } from "../../test/support/certs.ts";
import type { CertificateName } from "../lib/certificate-names.ts";
import { listen, ownerHandlers, type TlsContext, type TlsOptions } from "./bun.ts";
import { peerNames } from "./peer-certificate.ts";
import type { SocketOwner } from "./socket.ts";

const IDLE: SocketOwner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };

/** The names that a server sees which asks for certificates but does not insist; undefined: it does not ask. */
async function seenBy(
  ca: Ca | undefined,
  client: ConnectionOptions,
): Promise<readonly CertificateName[]> {
  const { promise, resolve } = Promise.withResolvers<readonly CertificateName[]>();
  const server = await issue(await makeCa(), { names: ["server.test"] });
  const asks = ca && { ca: [ca.certPem], requestCert: true, rejectUnauthorized: false };
  const { context } = createSecureContext({
    key: server.keyPem,
    cert: server.certPem,
    ...asks,
  } as never) as unknown as { context: TlsContext };
  const tls = {
    secureContext: context,
    ...(asks && { requestCert: true, rejectUnauthorized: false }),
  };
  const listener = listen(
    { hostname: "127.0.0.1", port: 0 },
    {
      ...ownerHandlers,
      open(socket) {
        socket.data = IDLE;
      },
      error() {},
      handshake(socket) {
        resolve(peerNames(socket));
      },
    },
    tls as TlsOptions,
  );
  const socket = connect({
    port: listener.port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ...client,
  });
  socket.on("error", () => {});
  try {
    return await promise;
  } finally {
    socket.destroy();
    listener.stop(true);
  }
}

describe("peerNames", () => {
  test("are those of a certificate that was verified", async () => {
    const ca = await makeCa();
    const own = await issue(ca, { names: ["a.test", "*.b.test"], ips: ["10.0.0.1"] });
    const shown = { key: own.keyPem, cert: own.certPem };
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      expect(await seenBy(ca, { ...shown, maxVersion })).toEqual([
        { kind: "dns", value: "a.test" },
        { kind: "dns", value: "*.b.test" },
        { kind: "ip", value: "10.0.0.1" },
      ]);
    }
  });

  test("are none without a certificate, with one of another authority, and where none is asked for", async () => {
    const ca = await makeCa();
    const other = await issue(await makeCa("other"), { names: ["a.test"] });
    const shown = { key: other.keyPem, cert: other.certPem };
    expect(await seenBy(ca, {})).toEqual([]);
    expect(await seenBy(ca, shown)).toEqual([]);
    expect(await seenBy(undefined, shown)).toEqual([]);
  });
});
