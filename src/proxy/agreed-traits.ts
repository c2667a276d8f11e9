// What rules can go by of a TLS that we end.
import type { CertificateName } from "../lib/certificate-names.ts";
import { hostNameOf } from "../lib/server-name.ts";
import type { TlsTraits } from "../router/route-table.ts";
import { tlsFacts } from "../transport/bun.ts";
import { peerNames } from "../transport/peer-certificate.ts";
import type { SessionFacts } from "./session-facts.ts";

/** Of a session whose handshake is done; undefined without one. */
export function agreedTraits({
  socket,
  settings,
}: Pick<SessionFacts, "socket" | "settings">): TlsTraits | undefined {
  if (!settings.tls || socket === undefined) return undefined;
  const { serverName, alpn } = tlsFacts(socket);
  let sans: readonly CertificateName[] | undefined;
  return {
    serverName: serverName === undefined ? undefined : hostNameOf(serverName),
    alpn: alpn === undefined ? [] : [alpn],
    sans: () => (sans ??= peerNames(socket)),
  };
}
