// One accepted connection from accept to close: handshake, wait for an endpoint, copy, end with a reason.
import { NO_TICKET } from "../admission/ticket.ts";
import { EndpointConnection } from "../balancer/connection.ts";
import { type RefuseReason, Wait, type Waiter } from "../balancer/wait.ts";
import { hashAddress } from "../lib/hash.ts";
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
import { outgoingHeader } from "./proxy-protocol/outgoing.ts";
import type { SessionContext } from "./session-context.ts";
import {
  clientIp,
  noExtras,
  phaseOf,
  type SessionExtras,
  type SessionFacts,
  type SessionState,
} from "./session-facts.ts";
import { idleReason, overdueReason, resetReason, unanswered } from "./session-end.ts";
import { reportConnected, reportEnd, reportHandshake, reportStart } from "./session-report.ts";
import { Side, type SideOwner } from "./side.ts";

/** The kernel is asked to watch over connections to endpoints that have lasted this long. */
const WATCH_AFTER_MS = 4_000;

const NOTHING = new Uint8Array(0);

/** A session. Owns both sockets; everything that ends it goes through one of its reasons. */
export class Session implements SideOwner, Waiter, HeaderObserver, DeadlineRunner {
  readonly #context: SessionContext;
  readonly #downstream: Side;
  readonly #acceptedMs: number;
  #state: SessionState;
  #reason: CloseReason | undefined;
  /** The wait for an endpoint, then the connection to it. */
  #upstream: Wait | EndpointConnection | undefined;
  #extras: SessionExtras | undefined;
  /** When the handshake began, later when streaming did. */
  #sinceMs: number;
  /** Connect, then lifetime, then linger. */
  #deadline: Deadline | undefined;
  /** Header, then handshake, then half-closed wait: shorter than the connect deadline that runs meanwhile. */
  #innerDeadline: Deadline | undefined;
  /** What the last look has found to have moved, and when that was. */
  #seenBytes = 0;
  #activeMs: number;

  constructor(context: SessionContext, socket: Socket) {
    const { settings, clock, log, metrics } = context;
    this.#context = context;
    this.#acceptedMs = clock.now();
    this.#sinceMs = this.#acceptedMs;
    this.#activeMs = this.#acceptedMs;
    if (log.enabled("debug")) this.#extra().client = peerAddress(socket);
    this.#state = settings.tls ? "handshaking" : "waiting";
    this.#downstream = new Side(this, metrics.rxBytes, metrics.txBytes);
    this.#downstream.attach(socket, settings.tls);
  }

  get earlyLimitBytes(): number {
    return this.#context.settings.earlyLimitBytes;
  }

  /** What an endpoint is to be told first of all. */
  get preamble(): Uint8Array | undefined {
    return this.#extras?.outgoing?.bytes;
  }

  /** The endpoint that was found for it; undefined before. */
  get endpointId(): number | undefined {
    return this.#connection?.endpoint.id;
  }

  /** Begins: waits for the header or the handshake, or looks for an endpoint. Answers who owns the accepted socket. */
  start(): HandshakeOwner {
    const { connectDeadlines, metrics, incoming, admission } = this.#context;
    const { socket } = this.#downstream;
    reportStart(metrics);
    // Whoever is refused costs no more than this. With a header it is not known yet who comes.
    if (incoming === undefined && !this.#isAdmitted(admission && socket && peerAddress(socket)))
      return this.#downstream;
    this.#deadline = connectDeadlines.set(this);
    if (incoming !== undefined) return this.#startWith(incoming);
    this.#proceed();
    return this.#downstream;
  }

  /** What can be told of it now. */
  facts(): SessionFacts {
    const { socket, ended, peer } = this.#downstream;
    return {
      phase: phaseOf(this.#state, ended || peer.ended),
      socket,
      tls: this.#context.settings.tls,
      received: this.#extras?.received,
      connection: this.#connection,
      acceptedMs: this.#acceptedMs,
      sinceMs: this.#sinceMs,
      rxBytes: this.#downstream.receivedBytes,
      txBytes: this.#downstream.sentBytes,
    };
  }

  /** Whether it is over. */
  get closed(): boolean {
    return this.#state === "closed";
  }

  /** Whether it has no endpoint yet. */
  get connecting(): boolean {
    return this.#connection === undefined;
  }

  /** Whether bytes wait to be delivered. */
  get holding(): boolean {
    return this.#downstream.holding || this.#downstream.peer.holding;
  }

  /** When a look first found what has moved by now. Before there is an endpoint nothing moves. */
  lastMovedMs(nowMs: number): number {
    const seen = this.#downstream.movement;
    if (seen !== this.#seenBytes) {
      this.#seenBytes = seen;
      this.#activeMs = nowMs;
    }
    return this.#activeMs;
  }

  /**
   * Ends both directions in order: what was read is delivered, what comes later is dropped. Without an endpoint there
   * is nothing to deliver, and it is reset. `lingers`: what takes longer than a linger is reset; else the caller sees
   * to that.
   */
  end(reason: CloseReason, lingers = true): void {
    if (this.#state === "closing" || this.#state === "leaving") return;
    if (this.#state !== "streaming") return this.destroy(reason);
    this.#reason = reason;
    this.#state = "leaving";
    this.#clearDeadlines();
    if (lingers) this.#deadline = this.#context.lingerDeadlines.set(this);
    const { peer } = this.#downstream;
    peer.leave();
    this.#downstream.leave();
  }

  /** Ends the session now, whatever it is doing. */
  destroy(reason: CloseReason): void {
    if (this.#state === "closed") return;
    // An end in order that was not one: bytes are lost.
    if (this.#reason === undefined || (this.#state === "leaving" && this.holding))
      this.#reason = reason;
    this.#state = "closing";
    this.#leaveQueue();
    this.#downstream.peer.abandon();
    this.#downstream.abandon();
  }

  /** Ends the session if nothing has moved for too long. Called now and then; `lastMs` is when it was called before. */
  look(nowMs: number, lastMs: number): void {
    if (this.#state !== "streaming") return;
    const dueMs = this.#sinceMs + WATCH_AFTER_MS;
    if (dueMs <= nowMs && dueMs > lastMs) this.#connection?.watch();
    const idleMs = nowMs - this.lastMovedMs(nowMs);
    const { ended, peer } = this.#downstream;
    const reason = idleReason(this.#context.settings, idleMs, ended || peer.ended);
    if (reason !== undefined) this.#endIdle(reason);
  }

  onHandshake(failure: Error | undefined): void {
    if (this.#state !== "handshaking") return;
    this.#innerDeadline?.clear();
    const reason = reportHandshake(this.#context, this.#sinceMs, failure);
    if (reason !== undefined) return this.destroy(reason);
    this.#state = "waiting";
    this.#findEndpoint();
  }

  onHeader(header: ProxyHeader, rest: Uint8Array): void {
    const { socket } = this.#downstream;
    if (this.#state !== "identifying" || socket === undefined) return;
    this.#innerDeadline?.clear();
    this.#context.metrics.proxyHeaders?.[header.command].add(1);
    this.#extra().received = header;
    // What the client's proxy does not say is not asked of the proxy's own address: that is none of a client.
    if (!this.#isAdmitted(header.ends?.source.ip)) return;
    if (this.#context.settings.tls) return this.#beginTls(socket, rest);
    socket.data = this.#downstream;
    if (rest.length > 0) this.#downstream.onData(rest);
    this.#proceed();
  }

  onHeaderFailed(reason: CloseReason, detail: string | undefined): void {
    const fields = () => ({ client: this.#extras?.client, detail });
    if (detail !== undefined) this.#context.log.debug("PROXY header refused", fields);
    this.destroy(reason);
  }

  onHeaderClose(error: Error | undefined): void {
    this.#downstream.onClose(error);
  }

  onEndpoint(connection: EndpointConnection, socket: Socket, early: readonly Uint8Array[]): void {
    const { clock, metrics, lifetimes } = this.#context;
    this.#state = "streaming";
    this.#upstream = connection;
    this.#clearDeadlines();
    const nowMs = clock.now();
    this.#sinceMs = nowMs;
    this.#activeMs = nowMs;
    reportConnected(metrics, nowMs - this.#acceptedMs);
    this.#deadline = lifetimes.set(this);
    const upstream = this.#downstream.peer;
    // What was said before the client was there tells nothing of how long a client waits.
    if (connection.timed && early.length === 0) upstream.timeAnswer(connection);
    upstream.attach(socket, connection.tls, connection.tls ? undefined : this.preamble);
    if (this.#downstream.ended) upstream.finish();
    upstream.takeEarly(early);
  }

  clientHash(): number {
    return hashAddress(clientIp(this.facts()) ?? "");
  }

  onRefused(reason: RefuseReason): void {
    this.#upstream = undefined;
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
    if (!isDownstream) this.#endConnection(side, error);
    if (error !== undefined && this.#state !== "leaving") this.#onReset(isDownstream, error);
    if (side.socket === undefined && other.socket === undefined) return this.#finish();
    // Nobody is left to take what the other side may still send: it gets what is its due, and some time to close.
    if (error === undefined && !other.ended && this.#state === "streaming") this.#linger("eof");
  }

  onDeadline(): void {
    if (this.#state === "streaming") return this.end("lifetime");
    if (this.#state === "handshaking") this.#context.metrics.handshakeFailures?.add(1);
    this.destroy(this.#reason ?? overdueReason(this.#state, this.#downstream.ended));
  }

  /** The connection may have to begin with a header: that depends on whose it is. */
  #startWith(incoming: IncomingRule): HandshakeOwner {
    const { settings, headerDeadlines } = this.#context;
    const { socket } = this.#downstream;
    const peer = socket && peerAddress(socket);
    const demand = incoming.demand(peer);
    switch (demand) {
      case "header":
        this.#state = "identifying";
        this.#innerDeadline = headerDeadlines.set(this);
        return new IncomingHeader(this);
      case "none":
        if (!this.#isAdmitted(peer)) return this.#downstream;
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

  /** Asks the server's limits once the client's address is known; a session that they refuse has ended. */
  #isAdmitted(ip: string | undefined): boolean {
    const answer = this.#context.admission?.admit(ip) ?? NO_TICKET;
    if (typeof answer === "string") {
      this.destroy(answer);
      return false;
    }
    if (answer !== NO_TICKET) this.#extra().ticket = answer;
    return true;
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
    const { route, rng } = this.#context;
    const balancer = route();
    if (balancer === undefined) return this.destroy("no_endpoint");
    const { proxyProtocol } = balancer;
    if (proxyProtocol !== undefined)
      this.#extra().outgoing = outgoingHeader(proxyProtocol, clientFacts(this.facts()), rng);
    const wait = balancer.acquire(this);
    // It may all have happened already.
    if (this.#state === "waiting") this.#upstream = wait;
  }

  #endConnection(upstream: Side, error: Error | undefined): void {
    const isStreaming = this.#state === "streaming";
    const ageMs = this.#context.clock.now() - this.#sinceMs;
    this.#connection?.end(isStreaming ? unanswered(upstream, error, ageMs) : undefined);
  }

  #onReset(byClient: boolean, error: Error): void {
    if (this.#connection === undefined) return this.destroy("client_left");
    const other = byClient ? this.#downstream.peer : this.#downstream;
    // What was read before the reset is delivered first, if the other side takes it in time.
    this.#linger(resetReason(error, byClient, this.#context.log));
    other.reset();
  }

  /** Ends both directions in order: at once where nothing waits, as nothing is under way on an idle connection. */
  #endIdle(reason: CloseReason): void {
    if (this.holding) return this.end(reason);
    this.#reason = reason;
    this.#state = "closing";
    this.#downstream.peer.close();
    this.#downstream.close();
  }

  /** Gives what is left of the session a last deadline. */
  #linger(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#state = "closing";
    this.#clearDeadlines();
    this.#deadline = this.#context.lingerDeadlines.set(this);
  }

  #leaveQueue(): void {
    const wait = this.#upstream;
    if (!(wait instanceof Wait)) return;
    this.#upstream = undefined;
    wait.cancel();
  }

  get #connection(): EndpointConnection | undefined {
    return this.#upstream instanceof EndpointConnection ? this.#upstream : undefined;
  }

  #extra(): SessionExtras {
    this.#extras ??= noExtras();
    return this.#extras;
  }

  #clearDeadlines(): void {
    this.#deadline?.clear();
    this.#innerDeadline?.clear();
    this.#deadline = undefined;
    this.#innerDeadline = undefined;
  }

  #finish(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#leaveQueue();
    this.#clearDeadlines();
    const ticket = this.#extras?.ticket ?? NO_TICKET;
    if (ticket !== NO_TICKET) this.#context.admission?.leave(ticket);
    const reason = this.#reason ?? (this.connecting ? "client_left" : "eof");
    reportEnd(this.#context, reason, this.facts(), this.#extras);
    this.#context.onEnd(this);
  }
}
