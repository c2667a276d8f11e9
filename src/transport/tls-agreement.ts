// What a TLS connection has agreed upon with its peer, and who the peer is, on either side. Asked of the socket when somebody
// wants to know: nothing of it is kept. Bun has this from node:tls and documents it for neither kind of socket;
// tls-agreement.test.ts fails loudly if Bun changes.
import { context, DerReader, TAG } from "../lib/der.ts";
import { tlsFacts, type TlsFacts } from "./bun.ts";
import { isAuthorized, peerCertificate, peerNames } from "./peer-certificate.ts";
import type { Socket } from "./socket.ts";

/** What counts of a handshake. */
export interface TlsHandshake extends TlsFacts {
  /** Name of the key exchange, such as `X25519MLKEM768`. Of a session resumed by TLS 1.2, that which it began with. */
  readonly group: string | undefined;
  /** Whether an earlier session went on: without a certificate and, in TLS 1.2, without a key exchange. */
  readonly resumed: boolean;
}

/** The same, and who the peer is. */
export interface TlsAgreement extends TlsHandshake {
  /** The first URI of a verified certificate, else its first DNS name, else its subject; undefined without one. */
  readonly peer: string | undefined;
}

interface TlsSocket {
  isSessionReused(): boolean;
  getSession(): Buffer | undefined;
}

/** Groups by their number in TLS (IANA, TLS Supported Groups). */
const GROUPS: Readonly<Record<number, string>> = {
  0x17: "P-256",
  0x18: "P-384",
  0x19: "P-521",
  0x1d: "X25519",
  0x11ec: "X25519MLKEM768",
};

/** What a handshake that is done has agreed upon. Takes 3 µs. */
export function tlsHandshake(socket: Socket): TlsHandshake {
  const tls = socket as unknown as TlsSocket;
  const { version, cipher, serverName, alpn } = tlsFacts(socket);
  const session = tls.getSession();
  const group = session && sessionGroup(session);
  // It holds the secret of the session, which shall not lie about in memory.
  session?.fill(0);
  return { version, cipher, serverName, alpn, group, resumed: tls.isSessionReused() };
}

export function tlsAgreement(socket: Socket): TlsAgreement {
  return { ...tlsHandshake(socket), peer: peerIdentity(socket) };
}

/** Who the peer is, by the certificate that was verified. */
export function peerIdentity(socket: Socket): string | undefined {
  if (!isAuthorized(socket)) return undefined;
  const names = peerNames(socket);
  const name = names.find(({ kind }) => kind === "uri") ?? names.find(({ kind }) => kind === "dns");
  // One entry a line, as OpenSSL has it.
  return name?.value ?? (peerCertificate(socket)?.subject.replaceAll("\n", ", ") || undefined);
}

/** `groupID [18] INTEGER`, as BoringSSL writes a session (ssl/ssl_asn1.cc). */
const GROUP_ID = context(18, true);

/**
 * The group of a session in BoringSSL's DER: nothing else tells it on accepted sockets, nor that of a hybrid on connected
 * ones. Undefined where it cannot be read.
 */
export function sessionGroup(session: Uint8Array): string | undefined {
  const parts = new DerReader(session).enter(TAG.sequence);
  for (let part = parts?.next(); part !== undefined; part = parts?.next()) {
    if (part.tag !== GROUP_ID) continue;
    const number = new DerReader(part.content).next();
    if (number === undefined || number.content.length > 3) return undefined;
    const id = number.content.reduce((sum, byte) => sum * 256 + byte, 0);
    return GROUPS[id] ?? `0x${id.toString(16)}`;
  }
  return undefined;
}
