// Keeps connections to endpoints ready before a client asks for one (minConnections), and checks that they live.
import type { ConnectFailure } from "../transport/connector.ts";
import type { Socket, SocketOwner } from "../transport/socket.ts";
import type { ConnectionObserver, EndpointConnection } from "./connection.ts";
import type { BalancerMetrics } from "./metrics.ts";

/** What an endpoint may say before a client is there; more waits in the kernel. */
const EARLY_LIMIT_BYTES = 65_536;

/** What the warm pool needs of the balancer. */
export interface WarmSource {
  /** Begins a connection to a picked endpoint; false when there is none to pick. */
  connect(observer: ConnectionObserver): EndpointConnection | undefined;
  /** Whether the peer of an idle connection has closed it, though nobody was told yet. */
  peerHasClosed(socket: Socket): boolean;
  succeeded(connection: EndpointConnection): void;
  failed(connection: EndpointConnection, failure: ConnectFailure, detail: string): void;
  /** Calls `refill` after a while: a connection failed or was closed by its endpoint. */
  refillLater(): void;
}

/** A connection taken from the pool, with what its endpoint has said already. */
export interface WarmConnection {
  readonly connection: EndpointConnection;
  readonly socket: Socket;
  readonly early: readonly Uint8Array[];
}

/** Holds up to `target` idle connections. */
export class WarmPool {
  #target: number;
  readonly #source: WarmSource;
  readonly #metrics: BalancerMetrics;
  readonly #idle: Idle[] = [];
  readonly #pending = new Set<EndpointConnection>();
  #stopped = false;

  constructor(target: number, source: WarmSource, metrics: BalancerMetrics) {
    this.#target = target;
    this.#source = source;
    this.#metrics = metrics;
  }

  /** A living connection, the oldest first, or undefined. A new one is made in its place. */
  take(): WarmConnection | undefined {
    for (let idle = this.#idle.shift(); idle !== undefined; idle = this.#idle.shift()) {
      this.#metrics.warm.add(-1);
      this.refill();
      if (!this.#source.peerHasClosed(idle.socket)) return idle;
      idle.socket.close();
    }
    return undefined;
  }

  /** Begins as many connections as are missing. */
  refill(): void {
    if (this.#stopped) return;
    for (
      let missing = this.#target - this.#idle.length - this.#pending.size;
      missing > 0;
      missing -= 1
    ) {
      const connection = this.#source.connect(this.#observer);
      if (connection === undefined) return;
      this.#pending.add(connection);
    }
  }

  /** From now on holds up to `target`, and makes what is missing; what is too much is closed, the oldest first. */
  setTarget(target: number): void {
    this.#target = target;
    for (const connection of this.#pending) {
      if (this.#idle.length + this.#pending.size <= target) break;
      this.#pending.delete(connection);
      connection.abort();
    }
    const surplus = this.#idle.slice(0, Math.max(0, this.#idle.length - target));
    for (const idle of surplus) idle.socket.close();
    this.refill();
  }

  /** Closes all that there are, and those that are being made, and makes them anew: they are made in another way now. */
  renew(): void {
    const target = this.#target;
    this.setTarget(0);
    this.setTarget(target);
  }

  /** Closes connections to endpoints that may not be used any more. */
  drop(unusable: (connection: EndpointConnection) => boolean): void {
    for (const idle of this.#idle.filter(({ connection }) => unusable(connection)))
      idle.socket.close();
    for (const connection of [...this.#pending].filter(unusable)) {
      this.#pending.delete(connection);
      connection.abort();
    }
  }

  /** Closes everything. */
  stop(): void {
    this.#stopped = true;
    for (const connection of this.#pending) connection.abort();
    this.#pending.clear();
    this.drop(() => true);
  }

  readonly #observer: ConnectionObserver = {
    onOpen: (connection) => {
      this.#pending.delete(connection);
      const { socket } = connection;
      if (socket === undefined) return;
      const idle = new Idle(connection, socket, (gone) => this.#remove(gone));
      socket.data = idle;
      this.#idle.push(idle);
      this.#metrics.warm.add(1);
      connection.watch();
      this.#source.succeeded(connection);
    },
    onFailed: (connection, failure, detail) => {
      this.#pending.delete(connection);
      this.#source.failed(connection, failure, detail);
      if (!this.#stopped) this.#source.refillLater();
    },
  };

  #remove(idle: Idle): void {
    const index = this.#idle.indexOf(idle);
    if (index < 0) return;
    this.#idle.splice(index, 1);
    this.#metrics.warm.add(-1);
    if (!this.#stopped) this.#source.refillLater();
  }
}

/** Owns the socket of an idle connection: keeps what the endpoint says first, notices when it closes. */
class Idle implements SocketOwner, WarmConnection {
  readonly connection: EndpointConnection;
  readonly socket: Socket;
  readonly early: Uint8Array[] = [];
  readonly #onGone: (idle: Idle) => void;
  #earlyBytes = 0;

  constructor(connection: EndpointConnection, socket: Socket, onGone: (idle: Idle) => void) {
    this.connection = connection;
    this.socket = socket;
    this.#onGone = onGone;
  }

  onData(bytes: Uint8Array): void {
    // A greeting, in protocols where the server speaks first. Reading goes on, as a paused socket does not tell when
    // its peer closes it.
    this.early.push(bytes);
    this.#earlyBytes += bytes.length;
    if (this.#earlyBytes >= EARLY_LIMIT_BYTES) this.socket.pause();
  }

  onDrain(): void {}

  onEnd(): void {
    this.socket.close();
  }

  onClose(): void {
    // The connection comes last: it may be the last of all that count here.
    this.#onGone(this);
    this.connection.end();
  }
}
