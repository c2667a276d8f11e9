// One accepted connection from accept to close: handshake, wait for an endpoint, copy, end with a reason.
import type { EndpointConnection } from "../balancer/connection.ts";
import type { RefuseReason, Wait, Waiter } from "../balancer/wait.ts";
import { formatAddress } from "../lib/address.ts";
import type { Deadline, DeadlineRunner } from "../lib/deadlines.ts";
import type { Socket } from "../transport/socket.ts";
import type { CloseReason } from "./close-reason.ts";
import type { SessionContext } from "./session-context.ts";
import { Side, type SideOwner } from "./side.ts";

type State = "handshaking" | "waiting" | "streaming" | "closing" | "closed";

/** A session. Owns both sockets; everything that ends it goes through one of its reasons. */
export class Session implements SideOwner, Waiter, DeadlineRunner {
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
  #streamingSinceMs = 0;
  /** Connect, then lifetime, then linger. */
  #deadline: Deadline | undefined;
  /** Handshake, then half-closed wait: shorter than the connect deadline that runs meanwhile. */
  #innerDeadline: Deadline | undefined;
  /** For the server's search for idle sessions: bytes moved and when they last did. */
  #seenBytes = -1;
  #activeMs = 0;

  constructor(context: SessionContext, socket: Socket) {
    this.#context = context;
    this.earlyLimitBytes = context.earlyLimitBytes;
    this.#acceptedMs = context.clock.now();
    this.#client = context.log.enabled("debug") ? context.addressOf(socket) : undefined;
    this.#state = context.tls ? "handshaking" : "waiting";
    this.#downstream = new Side(this, context.metrics.rxBytes, context.metrics.txBytes);
    this.#downstream.attach(socket, context.tls);
  }

  /** Who owns the accepted socket. */
  get downstream(): Side {
    return this.#downstream;
  }

  /** Begins: waits for the handshake, or looks for an endpoint. */
  start(): void {
    const { connectDeadlines, handshakeDeadlines, metrics } = this.#context;
    metrics.accepts.add(1);
    metrics.active.add(1);
    metrics.waiters.add(1);
    this.#deadline = connectDeadlines.set(this);
    if (this.#state === "handshaking") this.#innerDeadline = handshakeDeadlines.set(this);
    else this.#findEndpoint();
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

  /** Ends the session if no byte has moved for `idleMs`; called now and then while it is streaming. */
  closeIfIdle(nowMs: number, idleMs: number): void {
    if (this.#state !== "streaming") return;
    const bytes = this.#downstream.receivedBytes + this.#downstream.sentBytes;
    if (bytes !== this.#seenBytes) {
      this.#seenBytes = bytes;
      this.#activeMs = nowMs;
    } else if (nowMs - this.#activeMs >= idleMs) {
      this.#end("idle_timeout");
    }
  }

  onHandshake(failure: Error | undefined): void {
    const { clock, metrics, log } = this.#context;
    if (this.#state !== "handshaking") return;
    metrics.handshake?.observe((clock.now() - this.#acceptedMs) * 1000);
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

  onEndpoint(connection: EndpointConnection, socket: Socket, early: readonly Uint8Array[]): void {
    const { clock, metrics, lifetimeDeadlines } = this.#context;
    this.#state = "streaming";
    this.#wait = undefined;
    this.#connection = connection;
    this.#clearDeadlines();
    const nowMs = clock.now();
    this.#streamingSinceMs = nowMs;
    this.#activeMs = nowMs;
    metrics.waiters.add(-1);
    metrics.connectLatency.observe((nowMs - this.#acceptedMs) * 1000);
    this.#deadline = lifetimeDeadlines.set(this);
    const upstream = this.#downstream.peer;
    upstream.attach(socket, connection.tls);
    if (this.#downstream.ended) upstream.finish();
    if (early.length === 0) return;
    for (const bytes of early) upstream.onData(bytes);
    if (!this.#downstream.holding) socket.resume();
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

  #findEndpoint(): void {
    const balancer = this.#context.route();
    if (balancer === undefined) return this.destroy("no_endpoint");
    const wait = balancer.acquire(this);
    // It may all have happened already.
    if (this.#state === "waiting") this.#wait = wait;
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
    if (streamed) metrics.duration.observe(nowMs - this.#streamingSinceMs);
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
    this.#context.log.debug("connection closed", () => ({
      reason,
      rxBytes: this.#downstream.receivedBytes,
      txBytes: this.#downstream.sentBytes,
      client: this.#client,
      endpoint: this.#connection && formatAddress(this.#connection.endpoint.target),
      durationMs: Math.round(this.#context.clock.now() - this.#acceptedMs),
    }));
  }
}
