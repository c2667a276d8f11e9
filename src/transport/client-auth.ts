// Certificates of clients: what is asked for, and who is refused once the handshake is done, before a byte is read.
import { certificateNames, formatName } from "../lib/certificate-names.ts";
import { fitsAny, type NameRule, parseNameRules } from "../lib/name-rule.ts";
import { handshakeFailure, type TlsContextOptions } from "./bun.ts";
import { isAuthorized, peerCertificate } from "./peer-certificate.ts";
import type { Socket } from "./socket.ts";

/** What a server wants of its clients' certificates. */
export interface ClientAuthSettings {
  /** Else a certificate is asked for, and whoever has none is served. */
  readonly required: boolean;
  /** PEM certificates of the authorities that may vouch for clients. */
  readonly trustPem: readonly string[];
  /** PEM lists of revoked certificates; with any, each authority of a chain must have one. */
  readonly crlPem: readonly string[];
  /** Rules of lib/name-rule.ts, one of which a certificate must fit; undefined: every one that is verified. */
  readonly allow: readonly string[] | undefined;
}

/** Why a client is refused whose handshake was done. */
export class ClientRefused extends Error {
  override readonly name = "ClientRefused";
  readonly code: "CLIENT_NOT_ALLOWED" | "CERT_HAS_EXPIRED" | "PEER_DID_NOT_RETURN_A_CERTIFICATE";

  constructor(code: ClientRefused["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** Asks clients for certificates. */
export class ClientAuth {
  readonly required: boolean;
  /** For the context with which clients are asked. */
  readonly contextOptions: TlsContextOptions;
  readonly #allow: readonly NameRule[] | undefined;
  readonly #wallTime: () => number;

  /** `wallTime`: milliseconds since 1970. */
  constructor(settings: ClientAuthSettings, wallTime: () => number) {
    const { required, trustPem, crlPem, allow } = settings;
    this.required = required;
    this.#wallTime = wallTime;
    this.contextOptions = {
      ca: trustPem,
      ...trustOptions(trustPem, crlPem),
      requestCert: true,
      rejectUnauthorized: required,
    };
    this.#allow = allow && parseNameRules(allow);
  }

  /** Why a client must not be served whose handshake came out like this; undefined: it may. */
  refusal(socket: Socket, ok: boolean, error: Error | null): Error | undefined {
    if (!ok) return handshakeFailure(ok, error);
    const certificate = peerCertificate(socket);
    if (certificate === undefined) {
      if (!this.required) return undefined;
      return new ClientRefused(
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "the client has shown no certificate",
      );
    }
    // Bun says ok of a certificate that it has not verified, whether it closes then or not.
    if (!isAuthorized(socket))
      return error ?? new Error("the certificate of the client could not be verified");
    // A resumed session stands for a certificate that was verified when it began.
    if (certificate.validToDate.getTime() <= this.#wallTime())
      return new ClientRefused("CERT_HAS_EXPIRED", "certificate has expired");
    const allow = this.#allow;
    if (allow === undefined) return undefined;
    const names = certificateNames(certificate.raw);
    if (fitsAny(allow, names)) return undefined;
    const shown = names.map(formatName).join(", ") || "without any name";
    return new ClientRefused("CLIENT_NOT_ALLOWED", `no rule allows the client: ${shown}`);
  }
}

/**
 * How chains are followed to what is trusted. With lists of revoked certificates they must reach a root: the library
 * asks for a list of the root's own too, and can't verify that of an issuer which isn't there.
 */
export function trustOptions(
  trustPem: readonly string[] | undefined,
  crlPem: readonly string[],
): TlsContextOptions {
  if (crlPem.length > 0) return { crl: crlPem };
  return trustPem === undefined ? {} : { allowPartialTrustChain: true };
}
