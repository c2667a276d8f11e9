// What comes before the bytes that are relayed, on a socket that was accepted in plain text: the PROXY header, then the
// beginning of TLS that we end, or the hello of TLS that we pass on.
import { GONE } from "../admission/ticket.ts";
import type { Deadline, DeadlineRunner } from "../lib/deadlines.ts";
import type { CertificateName } from "../lib/certificate-names.ts";
import type { NoHello, TlsTraits } from "../router/route-table.ts";
import { peerAddress } from "../transport/bun.ts";
import type { HandshakeOwner, Socket } from "../transport/socket.ts";
import type { FirstBytes, HelloObserver, IncomingHello } from "./client-hello/incoming-hello.ts";
import { helloFacts } from "./proxy-protocol/client-facts.ts";
import type { CloseReason } from "./close-reason.ts";
import type { ProxyHeader } from "./proxy-protocol/header.ts";
import type { HeaderObserver, IncomingRule } from "./proxy-protocol/incoming.ts";
import type { SessionContext } from "./session-context.ts";
import {
  ipFor,
  type SessionExtras,
  type SessionFacts,
  type SessionState,
} from "./session-facts.ts";
import type { Side } from "./side.ts";

const NOTHING = new Uint8Array(0);
const NO_NAMES = (): readonly CertificateName[] => [];

/** What an opening asks of its session. */
export interface OpeningSession extends DeadlineRunner {
  readonly context: SessionContext;
  readonly side: Side;
  readonly state: SessionState;
  readonly extras: SessionExtras;
  /** Why it is being ended; undefined while it is not. */
  readonly ending: CloseReason | undefined;
  facts(): SessionFacts;
  /** Asks the server's limits; a session that they refuse has ended. */
  admit(ip: string | undefined): boolean;
  /** Goes over to a state in which something is waited for. */
  await(state: SessionState, deadline: Deadline | undefined, hello?: IncomingHello): void;
  /** What was waited for has come. */
  arrived(): void;
  findEndpoint(tls?: TlsTraits | NoHello): void;
  destroy(reason: CloseReason): void;
}

export class Opening implements HeaderObserver, HelloObserver {
  readonly #session: OpeningSession;

  constructor(session: OpeningSession) {
    this.#session = session;
  }

  /** Begins on a server that expects headers of some. Answers who owns the socket. */
  identify(incoming: IncomingRule): HandshakeOwner {
    const session = this.#session;
    const { context, side } = session;
    const peer = side.socket && peerAddress(side.socket);
    const demand = incoming.demand(peer);
    switch (demand) {
      case "header":
        session.await("identifying", context.headerDeadlines.set(session));
        return incoming.read(this);
      case "none":
        if (!session.admit(peer ?? GONE)) return side;
        if (context.settings.tls && side.socket !== undefined) {
          return this.secure(side.socket);
        }
        return this.listen();
      case "refuse":
        session.destroy(peer === undefined ? "client_left" : "proxy_untrusted");
        return side;
      default:
        return demand satisfies never;
    }
  }

  /** Begins TLS on a socket that has said nothing yet. Answers who owns it. */
  secure(plain: Socket): HandshakeOwner {
    this.#beginTls(plain, NOTHING);
    // Whoever goes over to TLS has given it another owner.
    return plain.data as HandshakeOwner;
  }

  /** Begins to read the hello, unless it is known without it where to go. Answers who owns the socket. */
  listen(): HandshakeOwner {
    const session = this.#session;
    const { routes, helloDeadlines } = session.context;
    if (routes === undefined || routes.table.isDecidedBy(ipFor(routes.table, session))) {
      session.findEndpoint();
      return session.side;
    }
    const hello = routes.readHello(this);
    session.await("peeking", helloDeadlines.set(hello), hello);
    return hello;
  }

  onHeader(header: ProxyHeader, rest: Uint8Array): void {
    const session = this.#session;
    const { context, side } = session;
    const { socket } = side;
    if (session.state !== "identifying" || socket === undefined) return;
    session.arrived();
    context.metrics.proxyHeaders?.[header.command].add(1);
    session.extras.received = header;
    // What the client's proxy does not say is not asked of the proxy's own address: that is none of a client.
    if (!session.admit(header.ends?.source.ip)) return;
    if (context.settings.tls) return this.#beginTls(socket, rest);
    const isRead = context.routes !== undefined;
    // What is there already goes out together with a header for the endpoint.
    if (rest.length > 0 && !isRead) side.onData(rest);
    socket.data = side;
    const owner = this.listen();
    if (side.socket === undefined) return;
    if (owner !== side) socket.data = owner;
    if (rest.length > 0 && isRead) owner.onData(rest);
  }

  onHeaderFailed(reason: CloseReason, detail: string | undefined): void {
    const session = this.#session;
    const fields = () => ({ client: session.extras.client, detail });
    if (detail !== undefined) session.context.log.debug("PROXY header refused", fields);
    session.destroy(reason);
  }

  onHeaderClose(error: Error | undefined): void {
    this.#session.side.onClose(error);
  }

  onHello(first: FirstBytes, bytes: Uint8Array, ended: boolean): void {
    const session = this.#session;
    const { side } = session;
    if (session.state !== "peeking" || side.socket === undefined) return;
    session.arrived();
    side.socket.data = side;
    if (bytes.length > 0) side.onData(bytes);
    if (ended) side.onEnd();
    if (typeof first === "string") return session.findEndpoint(first);
    const { serverName, alpn } = first;
    session.extras.hello = helloFacts(serverName, alpn[0]);
    session.findEndpoint({ serverName, alpn, sans: NO_NAMES });
  }

  onHelloLate(begun: boolean): void {
    if (begun) return this.#session.destroy("hello_timeout");
    this.onHello("silent", NOTHING, false);
  }

  /** A port scan, or a client that only wants to hear what the server says first. */
  onHelloEnd(): void {
    const { routes } = this.#session.context;
    if (routes?.table.silent.kind === "end") return this.#session.destroy("client_left");
    this.onHello("silent", NOTHING, true);
  }

  onHelloClose(error: Error | undefined): void {
    this.#session.side.onClose(error);
  }

  /** Goes over to TLS on a socket that the listener has accepted in plain text. */
  #beginTls(plain: Socket, read: Uint8Array): void {
    const session = this.#session;
    const { startTls, handshakeDeadlines } = session.context;
    if (startTls === undefined) return session.destroy("internal");
    session.await("handshaking", handshakeDeadlines.set(session));
    const socket = startTls(plain, session.side, read);
    // What was read may be no handshake at all: then all is over already.
    if (session.side.gone) return;
    session.side.attach(socket, true);
    // It may have been ended by what the limits, or the handshake, say.
    if (session.ending !== undefined) session.destroy(session.ending);
  }
}
