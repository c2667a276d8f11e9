// Probes ejected endpoints: one connection each, which carries no client's bytes and ends as soon as it has told enough.
import type { Cancel, Clock } from "../lib/clock.ts";
import type { ConnectFailure } from "../transport/connector.ts";
import type { Socket, SocketOwner } from "../transport/socket.ts";
import { type ConnectionContext, EndpointConnection } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";

/** How long an endpoint that reset connections is given to reset this one too. */
const WATCH_MS = 500;

/** Is told how a probe went. */
export interface ProbeObserver {
  /** The connection stands, and was watched where that was asked for. */
  onProbed(endpoint: Endpoint): void;
  /** The endpoint has said something. */
  onProbeAnswered(endpoint: Endpoint): void;
  onProbeFailed(endpoint: Endpoint, failure: ConnectFailure | "early_reset", detail: string): void;
}

export class Prober {
  readonly #context: ConnectionContext;
  readonly #observer: ProbeObserver;
  readonly #preamble: Uint8Array | undefined;
  readonly #watches = new Set<Watch>();

  /** `preamble`: what endpoints are told first of all. `underWay`: probes by endpoint, those of earlier probers too. */
  constructor(
    context: ConnectionContext,
    observer: ProbeObserver,
    preamble: Uint8Array | undefined,
  ) {
    const onConnectionEnd = (endpoint: Endpoint): void => {
      endpoint.probes -= 1;
      context.onConnectionEnd(endpoint);
    };
    this.#context = { ...context, onConnectionEnd };
    this.#observer = observer;
    this.#preamble = preamble;
  }

  /** Begins a probe. With `watch` the endpoint is given some time to reset it. */
  probe(endpoint: Endpoint, watch: boolean): void {
    const connection = new EndpointConnection(this.#context, endpoint, {
      onOpen: (opened) => {
        if (opened.socket !== undefined) this.#opened(opened, opened.socket, watch);
      },
      onFailed: (_connection, failure, detail) =>
        this.#observer.onProbeFailed(endpoint, failure, detail),
    });
    endpoint.probes += 1;
    connection.start(this.#preamble);
  }

  /** Watches no longer. */
  stop(): void {
    for (const watch of this.#watches) watch.stop();
  }

  #opened(connection: EndpointConnection, socket: Socket, isWatched: boolean): void {
    if (this.#preamble !== undefined && !connection.tls) socket.write(this.#preamble);
    if (isWatched) {
      const watch = new Watch(connection, socket, this.#context.clock, (outcome) => {
        this.#watches.delete(watch);
        this.#tell(connection.endpoint, outcome);
      });
      this.#watches.add(watch);
      return;
    }
    this.#observer.onProbed(connection.endpoint);
    socket.close();
    connection.end();
  }

  #tell(endpoint: Endpoint, outcome: Outcome): void {
    switch (outcome) {
      case "stood":
        return this.#observer.onProbed(endpoint);
      case "answered":
        return this.#observer.onProbeAnswered(endpoint);
      case "reset":
        return this.#observer.onProbeFailed(endpoint, "early_reset", "reset the probe");
      case "stopped":
        return;
      default:
        return outcome satisfies never;
    }
  }
}

type Outcome = "stood" | "answered" | "reset" | "stopped";

/** Owns the socket of a probe that stands, for as long as it may be reset. */
class Watch implements SocketOwner {
  readonly #connection: EndpointConnection;
  readonly #socket: Socket;
  readonly #cancel: Cancel;
  readonly #onOver: (outcome: Outcome) => void;
  #isOver = false;

  constructor(
    connection: EndpointConnection,
    socket: Socket,
    clock: Clock,
    onOver: (outcome: Outcome) => void,
  ) {
    this.#connection = connection;
    this.#socket = socket;
    this.#onOver = onOver;
    this.#cancel = clock.after(WATCH_MS, () => this.#close("stood"));
    socket.data = this;
  }

  stop(): void {
    this.#close("stopped");
  }

  onData(): void {
    this.#close("answered");
  }

  onDrain(): void {}

  onEnd(): void {
    this.#close("stood");
  }

  onClose(error: Error | undefined): void {
    this.#finish(error === undefined ? "stood" : "reset");
    this.#connection.end();
  }

  #close(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#finish(outcome);
    this.#socket.close();
  }

  #finish(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancel();
    this.#onOver(outcome);
  }
}
