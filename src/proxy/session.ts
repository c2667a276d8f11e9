// One accepted connection from accept to close: handshake, wait for an endpoint, copy, end with a reason.
import { GONE, NO_TICKET } from "../admission/ticket.ts";
import type { Balancer } from "../balancer/balancer.ts";
import { EndpointConnection } from "../balancer/connection.ts";
import type { RefuseReason, Wait, Waiter } from "../balancer/wait.ts";
import { hashAddress } from "../lib/hash.ts";
import type { Deadline, DeadlineRunner } from "../lib/deadlines.ts";
import type { NoHello, TlsTraits } from "../router/route-table.ts";
import { peerAddress } from "../transport/bun.ts";
import type { HandshakeOwner, Socket } from "../transport/socket.ts";
import type { IncomingHello } from "./client-hello/incoming-hello.ts";
import type { CloseReason } from "./close-reason.ts";
import { Opening, type OpeningSession } from "./opening.ts";
import { clientFacts } from "./proxy-protocol/client-facts.ts";
import { outgoingHeader } from "./proxy-protocol/outgoing.ts";
import type { SessionContext } from "./session-context.ts";
import {
  clientIp,
  ipFor,
  noExtras,
  phaseOf,
  type SessionExtras,
  type SessionFacts,
  type SessionState,
} from "./session-facts.ts";
import { idleReason, overdueReason, resetReason, unanswered } from "./session-end.ts";
import {
  reportConnected,
  reportEnd,
  reportEndpointTls,
  reportHandshake,
  reportStart,
  reportUnfinished,
  saidWhy,
} from "./session-report.ts";
import { type NameWait, type RouteSeeker, seekRoute } from "./session-routes.ts";
import { Side, type SideOwner } from "./side.ts";

/** The kernel is asked to watch over connections to endpoints that have lasted this long. */
const WATCH_AFTER_MS = 4_000;

/** A session. Owns both sockets; everything that ends it goes through one of its reasons. */
export class Session implements SideOwner, Waiter, OpeningSession, RouteSeeker, DeadlineRunner {
  readonly context: SessionContext;
  readonly #downstream: Side;
  readonly #acceptedMs: number;
  #state: SessionState;
  #reason: CloseReason | undefined;
  /** What is waited for, then the connection to an endpoint. */
  #upstream: IncomingHello | NameWait | Wait | EndpointConnection | undefined;
  #extras: SessionExtras | undefined;
  /** When the handshake began, later when streaming did. */
  #sinceMs: number;
  /** Connect, then lifetime, then linger. */
  #deadline: Deadline | undefined;
  /** Header, then handshake or hello, then half-closed wait: shorter than the connect deadline that runs meanwhile. */
  #innerDeadline: Deadline | undefined;
  /** What the last look has found to have moved, and when that was. */
  #seenBytes = 0;
  #activeMs: number;

  constructor(context: SessionContext, socket: Socket) {
    const { settings, clock, log, metrics } = context;
    this.context = context;
    this.#acceptedMs = clock.now();
    this.#sinceMs = this.#acceptedMs;
    this.#activeMs = this.#acceptedMs;
    if (log.enabled("debug")) this.extras.client = peerAddress(socket);
    this.#state = settings.tls ? "handshaking" : "waiting";
    this.#downstream = new Side(this, metrics.rxBytes, metrics.txBytes);
    this.#downstream.attach(socket, settings.tls);
  }

  get earlyLimitBytes(): number {
    return this.context.settings.earlyLimitBytes;
  }

  /** What an endpoint is to be told first of all. */
  get preamble(): Uint8Array | undefined {
    return this.#extras?.outgoing?.bytes;
  }

  /** The endpoint that was found for it; undefined before. */
  get endpointId(): number | undefined {
    return this.#connection?.endpoint.id;
  }

  /** Begins: waits for the header, the hello or the handshake, or looks for an endpoint. Answers who owns the socket. */
  start(): HandshakeOwner {
    const { connectDeadlines, metrics, incoming, admission, routes, settings, startTls } =
      this.context;
    const { socket } = this.#downstream;
    reportStart(metrics);
    // Whoever is refused costs no more than this. With a header it is not known yet who comes.
    const peer = admission && ((socket && peerAddress(socket)) ?? GONE);
    if (incoming === undefined && !this.admit(peer)) return this.#downstream;
    this.#deadline = connectDeadlines.set(this);
    if (incoming !== undefined) return new Opening(this).identify(incoming);
    if (startTls !== undefined && socket !== undefined) return new Opening(this).secure(socket);
    if (settings.tls) this.#innerDeadline = this.context.handshakeDeadlines.set(this);
    else if (routes !== undefined) return new Opening(this).listen();
    else this.findEndpoint();
    return this.#downstream;
  }

  /** The client's side. */
  get side(): Side {
    return this.#downstream;
  }

  get state(): SessionState {
    return this.#state;
  }

  get ending(): CloseReason | undefined {
    return this.#reason;
  }

  /** What few sessions have; made when it is first asked for. */
  get extras(): SessionExtras {
    this.#extras ??= noExtras();
    return this.#extras;
  }

  /** What can be told of it now. */
  facts(): SessionFacts {
    const { socket, ended, peer } = this.#downstream;
    return {
      phase: phaseOf(this.#state, ended || peer.ended),
      socket,
      settings: this.context.settings,
      received: this.#extras?.received,
      hello: this.#extras?.hello,
      destination: this.#connection?.destination ?? this.#extras?.destination,
      connection: this.#connection,
      upstream: peer.socket,
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
    this.#leave(reason);
    if (lingers) this.#deadline = this.context.lingerDeadlines.set(this);
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
    const reason = idleReason(this.context.settings, idleMs, ended || peer.ended);
    if (reason !== undefined) this.#endIdle(reason);
  }

  onHandshake(failure: Error | undefined): void {
    if (this.#state !== "handshaking") return;
    const reason = reportHandshake(this.context, this.#sinceMs, failure, this.#downstream.socket);
    // An alert that has been sent says why: a reset could overtake it.
    if (reason === "handshake_failed" && saidWhy(failure)) return this.#endBoth(reason);
    if (reason !== undefined) return this.destroy(reason);
    this.arrived();
    this.findEndpoint();
  }

  /** Waits for something, which may have a deadline. */
  await(state: SessionState, deadline: Deadline | undefined, hello?: IncomingHello): void {
    this.#sinceMs = this.context.clock.now();
    this.#state = state;
    this.#upstream = hello;
    this.#innerDeadline = deadline;
  }

  arrived(): void {
    this.#innerDeadline?.clear();
    this.#upstream = undefined;
    this.#state = "waiting";
  }

  /** Looks for the balancer, then for an endpoint. */
  findEndpoint(tls?: TlsTraits | NoHello): void {
    const { routes, route, metrics } = this.context;
    if (routes === undefined) return this.onRoute(route());
    const client = { ip: ipFor(routes.table, this), tls: tls ?? routes.agreed(this.facts()) };
    const wait = seekRoute(this, routes, metrics, client);
    if (wait !== undefined) this.#upstream = wait;
  }

  onRoute(balancer: Balancer | undefined): void {
    const { routes, rng } = this.context;
    if (this.#state !== "waiting") return;
    this.#upstream = undefined;
    if (balancer === undefined) return this.destroy("no_endpoint");
    const { proxyProtocol } = balancer;
    if (routes !== undefined) this.extras.destination = balancer.destination;
    if (proxyProtocol !== undefined)
      this.extras.outgoing = outgoingHeader(proxyProtocol, clientFacts(this.facts()), rng);
    const wait = balancer.acquire(this);
    // It may all have happened already.
    if (this.#state === "waiting") this.#upstream = wait;
  }

  onRouteEnd(how: "close" | "reset", reason: CloseReason): void {
    if (how === "reset") return this.destroy(reason);
    this.#leave(reason);
    this.#deadline = this.context.lingerDeadlines.set(this);
  }

  onEndpoint(connection: EndpointConnection, socket: Socket, early: readonly Uint8Array[]): void {
    const { clock, metrics, lifetimes } = this.context;
    this.#state = "streaming";
    this.#upstream = connection;
    this.#clearDeadlines();
    const nowMs = clock.now();
    this.#sinceMs = nowMs;
    this.#activeMs = nowMs;
    reportConnected(metrics, nowMs - this.#acceptedMs);
    this.#deadline = lifetimes.set(this);
    const upstream = this.#downstream.peer;
    if (connection.tls) reportEndpointTls(this.context, connection, socket);
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
    if (this.#state === "waiting") this.#innerDeadline = this.context.halfClosedDeadlines.set(this);
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
    if (this.#state === "handshaking") reportUnfinished(this.context, "timeout");
    this.destroy(this.#reason ?? overdueReason(this.#state, this.#downstream.ended));
  }

  /** Asks the server's limits once the client's address is known; a session that they refuse has ended. */
  admit(ip: string | undefined): boolean {
    const { admission } = this.context;
    const answer = admission?.admit(ip) ?? NO_TICKET;
    if (typeof answer === "string") {
      this.destroy(answer);
      return false;
    }
    if (answer !== NO_TICKET) admission?.keep(this.extras, answer);
    return true;
  }

  #endConnection(upstream: Side, error: Error | undefined): void {
    const isStreaming = this.#state === "streaming";
    const ageMs = this.context.clock.now() - this.#sinceMs;
    this.#connection?.end(isStreaming ? unanswered(upstream, error, ageMs) : undefined);
  }

  #onReset(byClient: boolean, error: Error): void {
    if (this.#state === "handshaking") reportUnfinished(this.context, "reset");
    const reason = resetReason(error, byClient, this.context);
    if (this.#connection === undefined) return this.destroy("client_left");
    const other = byClient ? this.#downstream.peer : this.#downstream;
    // What was read before the reset is delivered first, if the other side takes it in time.
    this.#linger(reason);
    other.reset();
  }

  /** Ends both directions in order: at once where nothing waits, as nothing is under way on an idle connection. */
  #endIdle(reason: CloseReason): void {
    if (this.holding) return this.end(reason);
    this.#endBoth(reason);
  }

  #endBoth(reason: CloseReason): void {
    this.#reason = reason;
    this.#state = "closing";
    this.#downstream.peer.close();
    this.#downstream.close();
  }

  /** Begins to end both directions in order. */
  #leave(reason: CloseReason): void {
    this.#reason = reason;
    this.#state = "leaving";
    this.#clearDeadlines();
    this.#downstream.peer.leave();
    this.#downstream.leave();
  }

  /** Gives what is left of the session a last deadline. */
  #linger(reason: CloseReason): void {
    this.#reason ??= reason;
    this.#state = "closing";
    this.#clearDeadlines();
    this.#deadline = this.context.lingerDeadlines.set(this);
  }

  #leaveQueue(): void {
    const wait = this.#upstream;
    if (wait === undefined || wait instanceof EndpointConnection) return;
    this.#upstream = undefined;
    wait.cancel();
  }

  get #connection(): EndpointConnection | undefined {
    return this.#upstream instanceof EndpointConnection ? this.#upstream : undefined;
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
    if (this.#extras !== undefined) this.context.admission?.leave(this.#extras);
    const reason = this.#reason ?? (this.connecting ? "client_left" : "eof");
    reportEnd(this.context, reason, this.facts(), this.#extras);
    this.context.onEnd(this);
  }
}
