// One accepted connection from accept to close: handshake, wait for an endpoint, copy, end with a reason.
import type { EndpointConnection } from "../balancer/connection.ts";
import type { RefuseReason, Wait, Waiter } from "../balancer/wait.ts";
import { formatAddress } from "../lib/address.ts";
import { hashAddress } from "../lib/hash.ts";
import type { ClientProxyProtocolConfig } from "../config/types.ts";
import type { Deadline, DeadlineRunner } from "../lib/deadlines.ts";
import { NOBODY, peerAddress } from "../transport/bun.ts";
import type { HandshakeOwner, Socket } from "../transport/socket.ts";
import type { CloseReason } from "./close-reason.ts";
import { clientFacts } from "./proxy-protocol/client-facts.ts";
import type { ProxyHeader } from "./proxy-protocol/header.ts";
import {
  type HeaderObserver,
  IncomingHeader,
  type IncomingRule,
} from "./proxy-protocol/incoming.ts";
import { idText, type OutgoingHeader, outgoingHeader } from "./proxy-protocol/outgoing.ts";
import type { SessionContext } from "./session-context.ts";
import { Side, type SideOwner } from "./side.ts";

type State = "identifying" | "handshaking" | "waiting" | "streaming" | "closing" | "closed";

const NOTHING = new Uint8Array(0);

/** A session. Owns both sockets; everything that ends it goes through one of its reasons. */
export class Session implements SideOwner, Waiter, HeaderObserver, DeadlineRunner {
  readonly earlyLimitBytes: number;
  readonly #context: SessionContext;
  readonly #downstream: Side;
  readonly #acceptedMs: number;
  /** For the log line at the end, when the socket no longer tells. */
  readonly #client: string | undefined;
  #state: State;
  #reason: CloseReason | undefined;
  #wait: Wait | undefined;
  #connection: EndpointConnection | undefined;
  /** What the client's proxy has told of it. */
  #received: ProxyHeader | undefined;
  /** What the endpoint is told of the client. */
  #outgoing: OutgoingHeader | undefined;
  /** When the handshake began, later when streaming did. */
  #sinceMs: number;
  /** Connect, then lifetime, then linger. */
  #deadline: Deadline | undefined;
  /** Header, then handshake, then half-closed wait: shorter than the connect deadline that runs meanwhile. */
  #innerDeadline: Deadline | undefined;
  /** For the server's search for idle sessions: bytes moved and when they last did. */
  #seenBytes = -1;
  #activeMs = 0;

  constructor(context: SessionContext, socket: Socket) {
    const { settings, clock, log, metrics } = context;
    this.#context = context;
    this.earlyLimitBytes = settings.earlyLimitBytes;
    this.#acceptedMs = clock.now();
    this.#sinceMs = this.#acceptedMs;
    this.#client = log.enabled("debug") ? peerAddress(socket) : undefined;
    this.#state = settings.tls ? "handshaking" : "waiting";
    this.#downstream = new Side(this, metrics.rxBytes, metrics.txBytes);
    this.#downstream.attach(socket, settings.tls);
  }

  /** What an endpoint is to be told first of all. */
  get preamble(): Uint8Array | undefined {
    return this.#outgoing?.bytes;
  }

  /** Begins: waits for the header or the handshake, or looks for an endpoint. Answers who owns the accepted socket. */
  start(): HandshakeOwner {
    const { connectDeadlines, metrics, incoming } = this.#context;
    metrics.accepts.add(1);
    metrics.active.add(1);
    metrics.waiters.add(1);
    this.#deadline = connectDeadlines.set(this);
    if (incoming !== undefined) return this.#startWith(incoming);
    this.#proceed();
    return this.#downstream;
  }

  /** Ends the session now, whatever it is doing. */
  destroy(reason: CloseReason): void {
    if (this.#state === "closed") return;
    this.#reason ??= reason;
    this.#state = "closing";
    this.#leaveQueue();
    this.#downstream.peer.abandon();
    this.#downstream.abandon();
  }

  /** Ends the session if no byte has moved for the time that it may be idle; called now and then. */
  closeIfIdle(nowMs: number): void {
    if (this.#state !== "streaming") return;
    const bytes = this.#downstream.receivedBytes + this.#downstream.sentBytes;
    if (bytes !== this.#seenBytes) {
      this.#seenBytes = bytes;
      this.#activeMs = nowMs;
    } else if (nowMs - this.#activeMs >= this.#context.settings.idleTimeoutMs) {
      this.#end("idle_timeout");
    }
  }

  onHandshake(failure: Error | undefined): void {
    const { clock, metrics, log } = this.#context;
    if (this.#state !== "handshaking") return;
    metrics.handshake?.observe((clock.now() - this.#sinceMs) * 1000);
    this.#innerDeadline?.clear();
    if (failure === undefined) {
      this.#state = "waiting";
      this.#findEndpoint();
      return;
    }
    // Port scans and health checks connect and leave: no failure of TLS.
    if ("code" in failure && failure.code === "ECONNRESET") return this.destroy("client_left");
    metrics.handshakeFailures?.add(1);
    log.debug("TLS handshake failed", () => ({ detail: failure.message }));
    this.destroy("handshake_failed");
  }

  onHeader(header: ProxyHeader, rest: Uint8Array): void {
    const { socket } = this.#downstream;
    if (this.#state !== "identifying" || socket === undefined) return;
    this.#innerDeadline?.clear();
    this.#context.metrics.proxyHeaders?.[header.command].add(1);
    this.#received = header;
    if (this.#context.settings.tls) return this.#beginTls(socket, rest);
    socket.data = this.#downstream;
    if (rest.length > 0) this.#downstream.onData(rest);
    this.#proceed();
  }

  onHeaderRefused(reason: string): void {
    this.#context.log.debug("PROXY header refused", () => ({
      client: this.#client,
      detail: reason,
    }));
    this.destroy("proxy_header_invalid");
  }

  onHeaderEnd(begun: boolean): void {
    this.destroy(begun ? "proxy_header_invalid" : "client_left");
  }

  onHeaderClose(error: Error | undefined): void {
    this.#downstream.onClose(error);
  }

  onEndpoint(connection: EndpointConnection, socket: Socket, early: readonly Uint8Array[]): void {
    const { clock, metrics, lifetimeDeadlines } = this.#context;
    this.#state = "streaming";
    this.#wait = undefined;
    this.#connection = connection;
    this.#clearDeadlines();
    const nowMs = clock.now();
    this.#sinceMs = nowMs;
    this.#activeMs = nowMs;
    metrics.waiters.add(-1);
    metrics.connectLatency.observe((nowMs - this.#acceptedMs) * 1000);
    this.#deadline = lifetimeDeadlines.set(this);
    const upstream = this.#downstream.peer;
    // What was said before the client was there tells nothing of how long a client waits.
    if (connection.timed && early.length === 0) upstream.timeAnswer(connection);
    upstream.attach(socket, connection.tls, connection.tls ? undefined : this.preamble);
    if (this.#downstream.ended) upstream.finish();
    if (early.length === 0) return;
    for (const bytes of early) upstream.onData(bytes);
    if (!this.#downstream.holding) socket.resume();
  }

  clientHash(): number {
    const { socket } = this.#downstream;
    const peer = socket === undefined ? undefined : peerAddress(socket);
    return hashAddress(this.#received?.ends?.source.ip ?? peer ?? "");
  }

  onRefused(reason: RefuseReason): void {
    this.#wait = undefined;
    this.destroy(reason);
  }

  onEarlyEnd(): void {
    // A client that has ended its direction may be gone or may wait for an answer: nothing tells which. It gets a
    // shorter wait than others, so that those who gave up do not hold places and descriptors.
    if (this.#state === "handshaking") return this.destroy("client_left");
    if (this.#state === "waiting")
      this.#innerDeadline = this.#context.halfClosedDeadlines.set(this);
  }

  onSideClosed(side: Side, error: Error | undefined): void {
    const isDownstream = side === this.#downstream;
    const other = side.peer;
    if (!isDownstream) this.#connection?.end();
    if (error !== undefined) this.#onReset(isDownstream);
    if (side.socket === undefined && other.socket === undefined) return this.#finish();
    // Nobody is left to take what the other side may still send: it gets what is its due, and some time to close.
    if (error === undefined && !other.ended && this.#state === "streaming") this.#linger("eof");
  }

  onDeadline(): void {
    switch (this.#state) {
      case "identifying":
        return this.destroy("proxy_header_timeout");
      case "handshaking":
        this.#context.metrics.handshakeFailures?.add(1);
        return this.destroy("handshake_timeout");
      case "waiting":
        return this.destroy(this.#downstream.ended ? "client_left" : "connect_timeout");
      case "streaming":
        return this.#end("lifetime");
      case "closing":
        return this.destroy("internal");
      case "closed":
        return;
      default:
        return this.#state satisfies never;
    }
  }

  /** The connection may have to begin with a header: that depends on whose it is. */
  #startWith(incoming: IncomingRule): HandshakeOwner {
    const { settings, headerDeadlines } = this.#context;
    const { socket } = this.#downstream;
    const demand = incoming.demand(socket && peerAddress(socket));
    switch (demand) {
      case "header":
        this.#state = "identifying";
        this.#innerDeadline = headerDeadlines.set(this);
        return new IncomingHeader(this);
      case "none":
        if (settings.tls && socket !== undefined) {
          this.#beginTls(socket, NOTHING);
          return NOBODY;
        }
        this.#proceed();
        return this.#downstream;
      case "refuse":
        this.destroy("proxy_untrusted");
        return this.#downstream;
      default:
        return demand satisfies never;
    }
  }

  /** Goes over to TLS on a socket that the listener has accepted in plain text. */
  #beginTls(plain: Socket, read: Uint8Array): void {
    const { startTls, clock } = this.#context;
    if (startTls === undefined) return this.destroy("internal");
    this.#sinceMs = clock.now();
    this.#state = "handshaking";
    this.#proceed();
    const socket = startTls(plain, this.#downstream, read);
    // What was read may be no handshake at all: then all is over already.
    if (this.#downstream.gone) return;
    this.#downstream.attach(socket, true);
    if (this.#reason !== undefined) this.destroy(this.#reason);
  }

  /** Waits for the handshake, or looks for an endpoint. */
  #proceed(): void {
    if (this.#context.settings.tls)
      this.#innerDeadline = this.#context.handshakeDeadlines.set(this);
    else {
      this.#state = "waiting";
      this.#findEndpoint();
    }
  }

  #findEndpoint(): void {
    const balancer = this.#context.route();
    if (balancer === undefined) return this.destroy("no_endpoint");
    const { proxyProtocol } = balancer;
    if (proxyProtocol !== undefined) this.#introduce(proxyProtocol);
    const wait = balancer.acquire(this);
    // It may all have happened already.
    if (this.#state === "waiting") this.#wait = wait;
  }

  /** Makes the header that tells the endpoint of the client. */
  #introduce(proxyProtocol: ClientProxyProtocolConfig): void {
    const { settings, rng } = this.#context;
    const facts = clientFacts(this.#downstream.socket, settings.tls, this.#received);
    this.#outgoing = outgoingHeader(proxyProtocol, facts, rng);
  }

  #onReset(byClient: boolean): void {
    if (this.#connection === undefined) return this.destroy("client_left");
    const other = byClient ? this.#downstream.peer : this.#downstream;
    // What was read before the reset is delivered first, if the other side takes it in time.
    this.#linger(byClient ? "client_reset" : "upstream_reset");
    other.reset();
  }

  /** Ends both directions in order; what the kernel holds is still sent. */
  #end(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#state = "closing";
    for (const side of [this.#downstream, this.#downstream.peer]) {
      side.socket?.shutdown();
      side.socket?.close();
    }
  }

  /** Gives what is left of the session a last deadline. */
  #linger(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#state = "closing";
    this.#clearDeadlines();
    this.#deadline = this.#context.lingerDeadlines.set(this);
  }

  #leaveQueue(): void {
    const wait = this.#wait;
    this.#wait = undefined;
    wait?.cancel();
  }

  #clearDeadlines(): void {
    this.#deadline?.clear();
    this.#innerDeadline?.clear();
  }

  #finish(): void {
    if (this.#state === "closed") return;
    const { clock, metrics } = this.#context;
    const streamed = this.#connection !== undefined;
    const reason = this.#reason ?? (streamed ? "eof" : "client_left");
    this.#state = "closed";
    this.#leaveQueue();
    this.#clearDeadlines();
    const nowMs = clock.now();
    metrics.active.add(-1);
    if (streamed) metrics.duration.observe(nowMs - this.#sinceMs);
    else {
      metrics.waiters.add(-1);
      metrics.connectLatency.observe((nowMs - this.#acceptedMs) * 1000);
    }
    metrics.connectionRxBytes.observe(this.#downstream.receivedBytes);
    metrics.connectionTxBytes.observe(this.#downstream.sentBytes);
    metrics.ended(reason, streamed);
    this.#logEnd(reason);
    this.#context.onEnd(this);
  }

  #logEnd(reason: CloseReason): void {
    const source = this.#received?.ends?.source.ip;
    this.#context.log.debug("connection closed", () => ({
      reason,
      rxBytes: this.#downstream.receivedBytes,
      txBytes: this.#downstream.sentBytes,
      client: source ?? this.#client,
      via: source && this.#client,
      id: this.#outgoing?.uniqueId && idText(this.#outgoing.uniqueId),
      endpoint: this.#connection && formatAddress(this.#connection.endpoint.target),
      durationMs: Math.round(this.#context.clock.now() - this.#acceptedMs),
    }));
  }
}
