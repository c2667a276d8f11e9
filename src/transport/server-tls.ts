// TLS on accepted connections: which identity a client sees, which application protocol is chosen, what is allowed.
import type { ListenHandlers, TlsContext, TlsOptions } from "./bun.ts";
import { TlsContexts } from "./tls-contexts.ts";

/** TLS of a listener. */
export interface ServerTls {
  readonly options: TlsOptions;
  readonly callbacks: Pick<ListenHandlers, "serverName" | "alpnCallback">;
  readonly contexts: TlsContexts;
}

/** What is shown for a name: a pair for each type of key. */
export interface IdentityPem {
  readonly pairs: readonly KeyPairPem[];
}

/** A certificate chain (leaf first) and its key, in PEM. */
export interface KeyPairPem {
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

/**
 * Parses the identities, but for those that `before`, the TLS of the same server until now, has. Throws OpenSSL's error
 * for a certificate and key that do not fit.
 */
export function createServerTls(settings: ServerTlsSettings, before?: ServerTls): ServerTls {
  const contexts = new TlsContexts(before?.contexts);
  const exact = new Map<string, TlsContext>();
  const wildcards = new Map<string, TlsContext>();
  for (const { serverName, identity } of settings.identities) {
    const context = contextOf(contexts, identity);
    if (serverName.startsWith("*.")) wildcards.set(serverName.slice(1), context);
    else exact.set(serverName, context);
  }
  const fallback = settings.defaultIdentity;
  const options: TlsOptions = {
    // A listener needs a context; one without a certificate refuses clients that no identity fits.
    secureContext:
      fallback === undefined ? contexts.get(TLS_POLICY) : contextOf(contexts, fallback),
  };
  contexts.settle();
  const serverName = (_data: unknown, name: string): TlsContext | undefined =>
    chooseIdentity(exact, wildcards, name);
  const { alpnProtocols } = settings;
  return {
    contexts,
    options,
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

function contextOf(contexts: TlsContexts, { pairs }: IdentityPem): TlsContext {
  return contexts.get({
    ...TLS_POLICY,
    cert: pairs.map(({ certificateChainPem }) => certificateChainPem),
    key: pairs.map(({ privateKeyPem }) => privateKeyPem),
  });
}
