// What can be told of a client's connection once its handshake is done.
import type { CertificateName } from "../../lib/certificate-names.ts";
import type { TlsTraits } from "../../router/route-table.ts";
import { socketEnds, tlsFacts, type TlsFacts } from "../../transport/bun.ts";
import { peerNames } from "../../transport/peer-certificate.ts";
import { hostNameOf } from "../client-hello/client-hello.ts";
import type { SessionFacts } from "../session-facts.ts";
import type { ClientFacts } from "./outgoing.ts";

/**
 * `socket` is the accepted one, `settings` say whether it speaks TLS, `received` the header that came with it, `hello` what a hello
 * told that is passed on.
 */
export function clientFacts({
  socket,
  settings,
  received,
  hello,
}: Pick<SessionFacts, "socket" | "settings" | "received" | "hello">): ClientFacts {
  const ends = socket && socketEnds(socket);
  return {
    ends: ends && { source: ends.peer, destination: ends.local },
    tls: settings.tls && socket !== undefined ? tlsFacts(socket) : hello,
    received,
  };
}

/** What a hello tells that is passed on: nothing is agreed upon yet. `alpn` is the first protocol that is offered. */
export function helloFacts(serverName: string | undefined, alpn: string | undefined): TlsFacts {
  return { version: undefined, cipher: undefined, serverName, alpn };
}

/** What rules can go by once a handshake of ours is done; undefined without one. */
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
