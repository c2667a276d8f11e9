// TLS on accepted connections: which identity a client sees, which application protocol is chosen, what is allowed.
import { createTlsContext, type ListenHandlers, type TlsContext, type TlsOptions } from "./bun.ts";

/** TLS of a listener. */
export interface ServerTls {
  /**
   * For a socket that listens for the first time. Without names to choose by, it is the identity as it was written: that
   * needs no `node:tls`, which stays in memory.
   */
  readonly first: TlsOptions;
  /** With a context, which all that come after share, and with it the keys of session tickets. */
  readonly shared: () => TlsOptions;
  readonly callbacks: Pick<ListenHandlers, "serverName" | "alpnCallback">;
}

/** A certificate chain (leaf first) and its key, in PEM. */
export interface IdentityPem {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** What a listener presents and accepts. */
export interface ServerTlsSettings {
  readonly alpnProtocols: readonly string[];
  readonly defaultIdentity: IdentityPem | undefined;
  /** Names are lower case, exact or `*.example.com`. */
  readonly identities: readonly { readonly serverName: string; readonly identity: IdentityPem }[];
}

// TLS 1.2 only with ephemeral keys and authenticated encryption (RFC 9325 §4.2); TLS 1.3 knows nothing else.
const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** What is allowed in a handshake, on either side. */
export const TLS_POLICY = {
  ciphers: CIPHERS,
  minVersion: "TLSv1.2",
  ecdhCurve: "X25519MLKEM768:X25519:P-256:P-384",
} as const;

/** TLS_POLICY.minVersion as it is written in a handshake: what Bun wants where there is no context. */
const TLS_1_2 = 0x303;

/** Parses the identities. Throws OpenSSL's error for those that do not fit, the only one excepted: see `first`. */
export function createServerTls(settings: ServerTlsSettings): ServerTls {
  const exact = new Map<string, TlsContext>();
  const wildcards = new Map<string, TlsContext>();
  for (const { serverName, identity } of settings.identities) {
    const context = contextOf(identity);
    if (serverName.startsWith("*.")) wildcards.set(serverName.slice(1), context);
    else exact.set(serverName, context);
  }
  const fallback = settings.defaultIdentity;
  let options: TlsOptions | undefined;
  const shared = (): TlsOptions => {
    // A listener needs a context; one without a certificate refuses clients that no identity fits.
    const make = (): TlsContext =>
      fallback === undefined ? createTlsContext(TLS_POLICY) : contextOf(fallback);
    options ??= { secureContext: make() };
    return options;
  };
  const serverName = (_data: unknown, name: string): TlsContext | undefined =>
    chooseIdentity(exact, wildcards, name);
  const { alpnProtocols } = settings;
  return {
    first: settings.identities.length > 0 || !fallback ? shared() : optionsOf(fallback),
    shared,
    callbacks: {
      ...(settings.identities.length === 0 ? {} : { serverName }),
      ...(alpnProtocols.length === 0 ? {} : { alpnCallback: alpnChooser(alpnProtocols) }),
    },
  };
}

/** Exact name first, then the wildcard for its parent (one label, RFC 6125 §6.4.3), else undefined. */
export function chooseIdentity<Identity>(
  exact: ReadonlyMap<string, Identity>,
  wildcards: ReadonlyMap<string, Identity>,
  serverName: string,
): Identity | undefined {
  const name = serverName.toLowerCase();
  const found = exact.get(name);
  if (found !== undefined) return found;
  const dot = name.indexOf(".");
  return dot <= 0 ? undefined : wildcards.get(name.slice(dot));
}

/** Chooses the first protocol of ours that the client offers; none leaves ALPN out, as linkerd-tcp 0.1 did. */
export function alpnChooser(
  protocols: readonly string[],
): (socket: unknown, serverName: string, wire: Uint8Array) => string | false {
  return (_socket, _serverName, wire) => {
    const offered = readAlpn(wire);
    return protocols.find((protocol) => offered.includes(protocol)) ?? false;
  };
}

/** Reads an ALPN list (RFC 7301 §3.1): length bytes and names. What is cut short is left out. */
export function readAlpn(wire: Uint8Array): readonly string[] {
  const names: string[] = [];
  for (let at = 0; at < wire.length;) {
    const length = wire[at] ?? 0;
    const end = at + 1 + length;
    if (length === 0 || end > wire.length) break;
    names.push(String.fromCharCode(...wire.subarray(at + 1, end)));
    at = end;
  }
  return names;
}

function contextOf(identity: IdentityPem): TlsContext {
  return createTlsContext({ ...TLS_POLICY, ...pemOf(identity) });
}

/** The same without a context. */
function optionsOf(identity: IdentityPem): TlsOptions {
  return { ...TLS_POLICY, minVersion: TLS_1_2, ...pemOf(identity) };
}

/** Nobody is verified, but Bun reads all the roots that it knows where it is given none: 1.5 MB of private memory. */
function pemOf({ certificateChainPem, privateKeyPem }: IdentityPem) {
  return { cert: certificateChainPem, key: privateKeyPem, ca: [certificateChainPem] };
}
