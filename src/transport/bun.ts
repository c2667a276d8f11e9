// Bun's sockets where they are not documented or wrongly typed: adopting descriptors, TLS contexts, SNI callbacks.
// Everything undocumented that the project leans on stands here; bun.test.ts fails loudly if Bun changes.
import type * as NodeTls from "node:tls";
import type { Address } from "../lib/address.ts";
import { libc } from "./libc.ts";
import type { HandshakeOwner, Socket, SocketOwner } from "./socket.ts";

/** A TLS context as the engine holds it: certificates, key and trust, parsed once. */
export type TlsContext = { readonly tlsContext: unique symbol };

/** Handlers of a listener, in Bun's own terms. */
export interface ListenHandlers {
  open(socket: Socket): void;
  data(socket: Socket, bytes: Uint8Array): void;
  drain(socket: Socket): void;
  end(socket: Socket): void;
  close(socket: Socket, error?: Error): void;
  error(socket: Socket, error: Error): void;
  handshake?(socket: Socket, ok: boolean, error: Error | null): void;
  /** Chooses the certificate by server name; undefined leaves the listener's own, an Error refuses. */
  serverName?(data: unknown, name: string, socket: Socket): TlsContext | undefined | Error;
  /** Chooses the application protocol from the client's list in wire form; false for none. */
  /** The same, where undefined refuses the client: alert no_application_protocol. */
  alpnCallback?(socket: Socket, serverName: string, wire: Uint8Array): string | false | undefined;
}

/**
 * TLS options, named as Bun names them. Where a context is given, Bun takes no notice of versions, suites and groups
 * beside it: they belong into the context.
 */
export interface TlsOptions {
  readonly secureContext?: TlsContext;
  /** Instead of a context, in PEM. It is parsed for each use. */
  readonly cert?: readonly string[];
  readonly key?: readonly string[];
  readonly ca?: readonly string[];
  readonly sigalgs?: string;
  readonly serverName?: string;
  readonly ciphers?: string;
  readonly minVersion?: number;
  readonly ecdhCurve?: string;
  /** Protocols that a client offers, in wire form: see `alpnWire` in client-tls.ts. */
  readonly ALPNProtocols?: Uint8Array;
}

/** A listening socket of this thread. */
export interface BunListener {
  readonly fd: number;
  readonly port: number;
  stop(closeConnections?: boolean): void;
}

/** Where to listen: a descriptor that listens already, or an address of our own. */
export type ListenAt =
  | { readonly fd: number }
  | { readonly hostname: string; readonly port: number; readonly reusePort?: boolean };

/** Listens. Throws what Bun throws (`code` EADDRINUSE and the like) when the address cannot be had. */
export function listen(at: ListenAt, socket: ListenHandlers, tls?: TlsOptions): BunListener {
  const options = { ...at, allowHalfOpen: true, socket, ...(tls === undefined ? {} : { tls }) };
  return Bun.listen(options as never) as unknown as BunListener;
}

/** Handlers of outgoing sockets, in Bun's own terms. */
export interface ConnectHandlers<Owner extends SocketOwner> extends Omit<ListenHandlers, "open"> {
  open(socket: Socket & { data: Owner }): void;
  connectError(socket: { data: Owner }, error: Error): void;
  /** The peer has given a session that a later connection can go on with; with TLS 1.3 often two. */
  session?(socket: Socket, session: Uint8Array): void;
}

/** What to connect: a descriptor on which a connect is under way, or an address. */
export type ConnectTo =
  { readonly fd: number } | { readonly hostname: string; readonly port: number };

/**
 * Makes a function that connects. With a descriptor, `open` is called at once and the first `drain` says that the
 * connection stands (for TLS `handshake`); a failure is a `close` before that. With an address, `open` says that it
 * stands.
 */
export function createConnect<Owner extends SocketOwner>(
  socket: ConnectHandlers<Owner>,
  tls?: TlsOptions,
): (to: ConnectTo, data: Owner) => void {
  const shared = { allowHalfOpen: true, socket, ...(tls === undefined ? {} : { tls }) };
  // One object for all connections: Bun has read it when the call returns.
  const adopting = { ...shared, fd: -1, data: undefined as Owner | undefined };
  return (to, data) => {
    if (!("fd" in to)) {
      Bun.connect({ ...shared, ...to, data } as never).catch(ignore);
      return;
    }
    adopting.fd = to.fd;
    adopting.data = data;
    Bun.connect(adopting as never).catch(ignore);
    adopting.data = undefined;
  };
}

/** How a socket that speaks plain TCP goes over to TLS. */
export interface TlsUpgrade {
  readonly handlers: ListenHandlers;
  readonly tls: TlsOptions;
  readonly isServer: boolean;
  /**
   * Is told of the bytes as they stood on the wire, each time before of the data in them. Owners that are set later are not
   * told: Bun has made another socket for this by then. Default: nobody.
   */
  readonly onWire?: HandshakeOwner | undefined;
  /** What was read of the peer's handshake already. */
  readonly read?: Uint8Array;
}

/** Owner of a plain socket that has gone over to TLS: Bun goes on to tell it of the bytes as they stood on the wire. */
export const NOBODY: HandshakeOwner = {
  onData() {},
  onDrain() {},
  onEnd() {},
  onClose() {},
  onHandshake() {},
};

/**
 * Begins TLS on a connected socket, and answers the socket that speaks it; the handshake's outcome comes by
 * `handlers.handshake`. From now on `plain` must not be used, and its owner is told nothing more.
 */
export function upgrade(plain: Socket, data: SocketOwner, to: TlsUpgrade): Socket {
  const { handlers, tls, isServer, read, onWire = NOBODY } = to;
  plain.data = onWire;
  const initialData = read === undefined || read.length === 0 ? undefined : read;
  const options = { data, tls, socket: handlers, ...(isServer && { isServer, initialData }) };
  const upgradable = plain as unknown as { upgradeTLS(options: never): [unknown, Socket] };
  return upgradable.upgradeTLS(options as never)[1];
}

/** What a TLS connection has agreed upon. */
export interface TlsFacts {
  /** Such as `TLSv1.3`. */
  readonly version: string | undefined;
  /** OpenSSL's name of the cipher, such as `ECDHE-RSA-AES128-GCM-SHA256`. */
  readonly cipher: string | undefined;
  /** The name that the client asked for (SNI). */
  readonly serverName: string | undefined;
  readonly alpn: string | undefined;
}

/** What an accepted TLS socket has agreed upon with its client, after the handshake. */
export function tlsFacts(socket: Socket): TlsFacts {
  const tls = socket as unknown as {
    getTLSVersion(): string | null | undefined;
    getCipher(): { readonly name: string | null } | undefined;
    getServername(): string | false | null | undefined;
    alpnProtocol: string | false | null | undefined;
  };
  return {
    version: tls.getTLSVersion() ?? undefined,
    cipher: tls.getCipher()?.name ?? undefined,
    serverName: tls.getServername() || undefined,
    alpn: tls.alpnProtocol || undefined,
  };
}

/** The addresses of a socket's two ends, or undefined once it is closed. */
export function socketEnds(
  socket: Socket,
): { readonly peer: Address; readonly local: Address } | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket as unknown as Partial<
    Record<"remoteAddress" | "localAddress", string> & Record<"remotePort" | "localPort", number>
  >;
  // Addresses that were asked for before are still told when the socket is closed; ports are not.
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  if (localAddress === undefined || localPort === undefined) return undefined;
  return {
    peer: { ip: remoteAddress, port: remotePort },
    local: { ip: localAddress, port: localPort },
  };
}

/** The outcome is told through the handlers; the promise only repeats it. */
function ignore(): void {}

/** What a context is made of, named as node:tls names it. */
export interface TlsContextOptions {
  /** Several of both, in the same order, of different types of key: the client's signature algorithms choose. */
  readonly key?: string | readonly string[];
  readonly cert?: string | readonly string[];
  readonly ca?: readonly string[];
  /** Lists of revoked certificates. Then every certificate of a chain, the root too, needs one of its issuer. */
  readonly crl?: readonly string[];
  /** Whether what is in `ca` is trusted as it is, although it may not be a root. */
  readonly allowPartialTrustChain?: boolean;
  /** Servers: a certificate is asked for, and, unless `rejectUnauthorized` is false, needed. */
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
  readonly ciphers?: string;
  readonly sigalgs?: string;
  readonly minVersion?: string;
  readonly ecdhCurve?: string;
}

/** Parses PEM texts into a context. Throws OpenSSL's error when they do not fit together. */
export function createTlsContext(options: TlsContextOptions): TlsContext {
  // Loaded on first use: node:tls takes 1.7 to 3 MB of private memory. A proxy without TLS can do without, and so can
  // one with a certificate that goes by no name (server-tls.ts).
  const { createSecureContext } = import.meta.require("node:tls") as typeof NodeTls;
  const { context } = createSecureContext(options as never) as unknown as { context: TlsContext };
  return context;
}

/** The address of the peer, or undefined once the socket is closed. */
export function peerAddress(socket: Socket): string | undefined {
  const { remoteAddress } = socket as unknown as { remoteAddress: string | undefined };
  return remoteAddress;
}

/** The descriptor of a socket, or -1 once it is closed. */
export function descriptorOf(socket: Socket): number {
  const { fd } = socket as unknown as { fd: number | undefined };
  return fd ?? -1;
}

/** Linux. */
const ECONNRESET = 104;

/**
 * Whether the write that has just answered -1 met a reset. Such a write takes the error away: what Bun reads next looks
 * like the peer's end in good order. After an end that was in good order the error is another one, EPIPE.
 */
export function writeMetReset(): boolean {
  return libc?.errno() === ECONNRESET;
}

/** Handlers that pass everything on to the socket's owner: the same functions for all sockets. */
export const ownerHandlers = {
  data(socket: Socket, bytes: Uint8Array): void {
    socket.data.onData(bytes);
  },
  drain(socket: Socket): void {
    socket.data.onDrain();
  },
  end(socket: Socket): void {
    socket.data.onEnd();
  },
  close(socket: Socket, error?: Error): void {
    socket.data.onClose(error);
  },
} as const;

/** Whether a handshake with a peer that shows no certificate has failed: see docs/internals/bun.md. */
export function handshakeFailure(ok: boolean, error: Error | null): Error | undefined {
  // Without requestCert Bun says ok together with UNABLE_TO_GET_ISSUER_CERT about a certificate nobody asked for.
  return ok ? undefined : (error ?? new Error("TLS handshake failed"));
}

/** Passes a handshake's outcome on to an accepted socket's owner. */
export function onServerHandshake(socket: Socket, ok: boolean, error: Error | null): void {
  (socket.data as HandshakeOwner).onHandshake(handshakeFailure(ok, error));
}
