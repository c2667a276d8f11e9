// TLS on accepted connections: which identity a client sees, which application protocol is chosen, what is allowed.
import { comparedName } from "../lib/server-name.ts";
import { type ListenHandlers, onServerHandshake, type TlsContext, type TlsOptions } from "./bun.ts";
import { ClientAuth, type ClientAuthSettings } from "./client-auth.ts";
import { certAndKey, type IdentityPem } from "./identity-pem.ts";
import { askedName, setVerifyMode } from "./peer-certificate.ts";
import type { HandshakeOwner } from "./socket.ts";
import { TlsContexts } from "./tls-contexts.ts";
import { tlsPolicy, type TlsMinVersion } from "./tls-policy.ts";

/** TLS of a listener. */
export interface ServerTls {
  /**
   * For a socket that listens for the first time. Without names to choose by, it is the identity as it was written: that
   * needs no `node:tls`, which stays in memory.
   */
  readonly first: TlsOptions;
  /** With a context, which all that come after share, and with it the keys of session tickets. */
  readonly shared: () => TlsOptions;
  readonly callbacks: Pick<ListenHandlers, "serverName" | "alpnCallback" | "handshake">;
  readonly contexts: TlsContexts;
}

/** What a listener presents and accepts. */
export interface ServerTlsSettings {
  readonly alpnProtocols: readonly string[];
  readonly defaultIdentity: IdentityPem | undefined;
  /** Names are lower case, exact or `*.example.com`. */
  readonly identities: readonly NamedIdentityPem[];
  /** A client that offers protocols, none of them ours, is refused; undefined: it is served without one. */
  readonly alpnMismatch?: "refuse" | undefined;
  /** Default: 1.2. */
  readonly minVersion?: TlsMinVersion | undefined;
  /** Undefined: clients are not asked for certificates. */
  readonly clientAuth?: ClientAuthSettings | undefined;
}

export interface NamedIdentityPem {
  readonly serverName: string;
  readonly identity: IdentityPem;
  /** In place of that of the server. */
  readonly clientAuth?: ClientAuthSettings | "none" | undefined;
}

/** An identity with what clients are asked for that it is shown to. */
interface Shown {
  readonly context: TlsContext;
  readonly auth: ClientAuth | undefined;
}

/** Versions as they are written in a handshake: what Bun wants where there is no context. */
const VERSION_NUMBERS: Readonly<Record<TlsMinVersion, number>> = { "1.2": 0x303, "1.3": 0x304 };

/**
 * Parses the identities, but for those that `before`, the TLS of the same server until now, has. Throws OpenSSL's error for
 * those that do not fit, the only one excepted: see `first`. `wallTime`: milliseconds since 1970.
 */
export function createServerTls(
  settings: ServerTlsSettings,
  wallTime: () => number,
  before?: ServerTls,
): ServerTls {
  const contexts = new TlsContexts(before?.contexts);
  const { defaultIdentity, identities, alpnProtocols, alpnMismatch, minVersion } = settings;
  const policy = tlsPolicy(minVersion);
  const authOf = (asked: ClientAuthSettings | undefined): ClientAuth | undefined =>
    asked && new ClientAuth(asked, wallTime);
  const contextOf = (identity: IdentityPem | undefined, auth: ClientAuth | undefined): TlsContext =>
    contexts.get({ ...policy, ...(identity && pemOf(identity)), ...auth?.contextOptions });
  const exact = new Map<string, Shown>();
  const wildcards = new Map<string, Shown>();
  for (const { serverName, identity, clientAuth } of identities) {
    const auth = clientAuth === "none" ? undefined : authOf(clientAuth ?? settings.clientAuth);
    const shown = { context: contextOf(identity, auth), auth };
    if (serverName.startsWith("*.")) wildcards.set(serverName.slice(1), shown);
    else exact.set(serverName, shown);
  }
  const find = (name: string): Shown | undefined => chooseIdentity(exact, wildcards, name);
  const otherwise = { auth: authOf(settings.clientAuth) };
  let options: TlsOptions | undefined;
  // A listener needs a context; one without a certificate refuses clients that no identity fits.
  const shared = (): TlsOptions =>
    (options ??= { secureContext: contextOf(defaultIdentity, otherwise.auth) });
  const isPlain = identities.length === 0 && otherwise.auth === undefined;
  const first =
    isPlain && defaultIdentity !== undefined
      ? { ...policy, minVersion: VERSION_NUMBERS[minVersion ?? "1.2"], ...pemOf(defaultIdentity) }
      : shared();
  contexts.settle();
  return {
    first,
    shared,
    contexts,
    callbacks: {
      ...(identities.length > 0 && { serverName: identityChooser(find, asksAnybody(settings)) }),
      ...(alpnProtocols.length > 0 && {
        alpnCallback: alpnChooser(alpnProtocols, alpnMismatch === "refuse"),
      }),
      ...(asksAnybody(settings) && {
        handshake: authorize((name) => (find(name) ?? otherwise).auth),
      }),
    },
  };
}

function asksAnybody({ clientAuth, identities }: ServerTlsSettings): boolean {
  return [{ clientAuth }, ...identities].some((one) => typeof one.clientAuth === "object");
}

function identityChooser(
  find: (name: string) => Shown | undefined,
  asks: boolean,
): NonNullable<ListenHandlers["serverName"]> {
  return (_data, name, socket) => {
    const shown = find(name);
    if (shown === undefined) return undefined;
    // The mode is the listener's, whatever the context says.
    if (asks) setVerifyMode(socket, shown.auth !== undefined, shown.auth?.required ?? false);
    return shown.context;
  };
}

/** Has a handshake's outcome judged by what was asked of the client. Its name is what it was when that was decided. */
function authorize(
  authFor: (serverName: string) => ClientAuth | undefined,
): NonNullable<ListenHandlers["handshake"]> {
  return (socket, ok, error) => {
    const auth = authFor(askedName(socket));
    if (auth === undefined) return onServerHandshake(socket, ok, error);
    (socket.data as HandshakeOwner).onHandshake(auth.refusal(socket, ok, error));
  };
}

/** Exact name first, then the wildcard for its parent (one label, RFC 6125 §6.4.3), else undefined. */
export function chooseIdentity<Identity>(
  exact: ReadonlyMap<string, Identity>,
  wildcards: ReadonlyMap<string, Identity>,
  serverName: string,
): Identity | undefined {
  // The one that is asked about in the handshake must be the one that is judged after it, and that rules go by.
  const name = comparedName(serverName);
  if (name === undefined) return undefined;
  const found = exact.get(name);
  if (found !== undefined) return found;
  const dot = name.indexOf(".");
  return dot <= 0 ? undefined : wildcards.get(name.slice(dot));
}

/**
 * Chooses the first protocol of ours that the client offers. None leaves ALPN out, as linkerd-tcp 0.1 did, or, where
 * `isStrict`, refuses the client (alert no_application_protocol, RFC 7301 §3.2).
 */
export function alpnChooser(
  protocols: readonly string[],
  isStrict = false,
): (socket: unknown, serverName: string, wire: Uint8Array) => string | false | undefined {
  const otherwise = isStrict ? undefined : false;
  return (_socket, _serverName, wire) => {
    const offered = readAlpn(wire);
    return protocols.find((protocol) => offered.includes(protocol)) ?? otherwise;
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

/** Nobody is verified, but Bun reads all the roots that it knows where it is given none: 1.5 MB of private memory. */
function pemOf(identity: IdentityPem) {
  const { cert, key } = certAndKey(identity);
  return { cert, key, ca: cert };
}
