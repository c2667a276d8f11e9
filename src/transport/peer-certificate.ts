// The certificate of a TLS socket's peer, and whether one is asked for. Bun has this from node:tls and does not document it;
// peer-certificate.test.ts fails loudly if Bun changes.
import type { X509Certificate } from "node:crypto";
import { type CertificateName, certificateNames } from "../lib/certificate-names.ts";
import type { Socket } from "./socket.ts";

interface TlsSocket {
  readonly authorized: boolean;
  getPeerX509Certificate(): X509Certificate | undefined;
  getServername(): string | false | null | undefined;
  setVerifyMode(asks: boolean, needs: boolean): void;
}

/** The certificate that the peer has shown, and that was verified or not; undefined when it has shown none. */
export function peerCertificate(socket: Socket): X509Certificate | undefined {
  return tls(socket).getPeerX509Certificate() ?? undefined;
}

/** Whether the peer has shown a certificate that an authority vouches for which is trusted here. */
export function isAuthorized(socket: Socket): boolean {
  return tls(socket).authorized;
}

/** The names of the peer's certificate; none where it has shown none, or one that nobody here vouches for. */
export function peerNames(socket: Socket): readonly CertificateName[] {
  const certificate = isAuthorized(socket) ? peerCertificate(socket) : undefined;
  return certificate === undefined ? [] : certificateNames(certificate.raw);
}

/** The name that a client has asked for; empty when it has asked for none. */
export function askedName(socket: Socket): string {
  return tls(socket).getServername() || "";
}

/**
 * Whether a client is asked for a certificate, and refused without one (alert certificate_required). To be called while
 * its hello is being answered, in `serverName`. A certificate that is not good does not fail the handshake here.
 */
export function setVerifyMode(socket: Socket, asks: boolean, needs: boolean): void {
  tls(socket).setVerifyMode(asks, needs);
}

function tls(socket: Socket): TlsSocket {
  return socket as unknown as TlsSocket;
}
