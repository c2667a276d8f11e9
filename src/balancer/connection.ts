// One connection to an endpoint, from the attempt to its end: keeps the endpoint's load and the metrics true.
import type { Clock } from "../lib/clock.ts";
import type {
  ConnectAttempt,
  ConnectFailure,
  ConnectObserver,
  Connector,
} from "../transport/connector.ts";
import type { Socket } from "../transport/socket.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Latencies } from "./latency.ts";
import type { BalancerMetrics } from "./metrics.ts";

/** Is told how a connection to an endpoint went. */
export interface ConnectionObserver {
  /** The connection stands: the observer takes over its socket's `data`. */
  onOpen(connection: EndpointConnection): void;
  onFailed(connection: EndpointConnection, failure: ConnectFailure, detail: string): void;
}

const NOBODY: ConnectionObserver = { onOpen() {}, onFailed() {} };

/** What all connections of a destination share. */
export interface ConnectionContext {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly metrics: BalancerMetrics;
  /** To be told of waits for endpoints; undefined where nobody wants to know. */
  readonly latencies: Latencies | undefined;
  /** Id of the destination. */
  readonly destination: number;
  /** A connection that stood has ended. */
  onConnectionEnd(endpoint: Endpoint): void;
  /** Whether it matters when the endpoint first says something. */
  wantsAnswers(endpoint: Endpoint): boolean;
  /** The endpoint has sent its first byte on a connection that is timed. */
  onAnswered(endpoint: Endpoint): void;
  /** A connection that a client had has ended without a byte from the endpoint. */
  onUnanswered(endpoint: Endpoint, how: Unanswered): void;
}

/** How it ended: `early_reset`, which the endpoint did of itself, or `silent`, in good order. */
export type Unanswered = "early_reset" | "silent";

/** A connection, and the endpoint's load of one that goes with it until `end`. */
export class EndpointConnection implements ConnectObserver {
  readonly endpoint: Endpoint;
  readonly #context: ConnectionContext;
  readonly #startedMs: number;
  #observer: ConnectionObserver;
  #attempt: ConnectAttempt | undefined;
  #socket: Socket | undefined;
  #state: "pending" | "open" | "ended" = "pending";
  /** Since when a first byte is waited for. */
  #askedMs = 0;

  constructor(context: ConnectionContext, endpoint: Endpoint, observer: ConnectionObserver) {
    this.#context = context;
    this.endpoint = endpoint;
    this.#observer = observer;
    this.#startedMs = context.clock.now();
  }

  /** Whether the socket speaks TLS. */
  get tls(): boolean {
    return this.#context.connector.tls !== undefined;
  }

  /** Id of the destination that it belongs to. */
  get destination(): number {
    return this.#context.destination;
  }

  /** The socket once the connection stands. */
  get socket(): Socket | undefined {
    return this.#socket;
  }

  /** To be called once a connection has lasted for some seconds: see Connector. */
  watch(): void {
    if (this.#socket !== undefined) this.#context.connector.watch?.(this.#socket);
  }

  /** Begins to connect. `preamble` goes before TLS, where there is TLS. */
  start(preamble?: Uint8Array): void {
    const { metrics, connector } = this.#context;
    metrics.attempts.add(1);
    metrics.pending.add(1);
    this.endpoint.row.addLoad(1);
    this.#attempt = connector.connect(this.endpoint.target, this, preamble);
  }

  onConnected(socket: Socket): void {
    const { metrics } = this.#context;
    this.#state = "open";
    this.#attempt = undefined;
    this.#socket = socket;
    metrics.pending.add(-1);
    metrics.open.add(1);
    metrics.connects.add(1);
    this.#context.latencies?.observe(this.endpoint, this.#observeLatency());
    this.endpoint.row.countConnect();
    this.endpoint.lastFailureNumber = 0;
    const observer = this.#observer;
    // A wait that is over is not kept for as long as its connection lasts.
    this.#observer = NOBODY;
    observer.onOpen(this);
  }

  onConnectFailed(failure: ConnectFailure, detail: string): void {
    this.#state = "ended";
    this.#context.metrics.pending.add(-1);
    this.#context.metrics.failure(failure);
    const tookMs = this.#observeLatency();
    if (failure !== "descriptors") this.#context.latencies?.failed(this.endpoint, tookMs);
    this.endpoint.row.addLoad(-1);
    this.endpoint.row.countFailure();
    this.#observer.onFailed(this, failure, detail);
    this.#context.onConnectionEnd(this.endpoint);
  }

  /** Gives up an attempt: the observer is told nothing. */
  abort(): void {
    if (this.#state !== "pending") return;
    this.#state = "ended";
    this.#attempt?.abort();
    this.#context.metrics.pending.add(-1);
    this.endpoint.row.addLoad(-1);
    this.#context.onConnectionEnd(this.endpoint);
  }

  /**
   * To be called once when the socket has closed: gives the load back. An end after an answer tells nothing: the answer may
   * be of long ago.
   */
  end(unanswered?: Unanswered): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    if (unanswered !== undefined) this.#context.onUnanswered(this.endpoint, unanswered);
    const { clock, metrics } = this.#context;
    metrics.open.add(-1);
    metrics.duration.observe(clock.now() - this.#startedMs);
    this.endpoint.row.addLoad(-1);
    this.#context.onConnectionEnd(this.endpoint);
  }

  /** Whether anybody wants to know when the endpoint answers. */
  get timed(): boolean {
    return this.#context.latencies !== undefined || this.#context.wantsAnswers(this.endpoint);
  }

  /** The endpoint has been given something to answer. */
  onAsked(): void {
    this.#askedMs = this.#context.clock.now();
  }

  /** Its first byte has come. */
  onAnswer(): void {
    const { clock, latencies } = this.#context;
    latencies?.observe(this.endpoint, clock.now() - this.#askedMs);
    this.#context.onAnswered(this.endpoint);
  }

  #observeLatency(): number {
    const tookMs = this.#context.clock.now() - this.#startedMs;
    this.#context.metrics.latency.observe(tookMs * 1000);
    return tookMs;
  }
}
