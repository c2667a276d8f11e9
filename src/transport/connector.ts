// Connects to endpoints: TCP, then TLS where asked for, within a deadline, and can be told to stop at any moment.
import type { Clock } from "../lib/clock.ts";
import { type Deadline, DeadlineQueue, type DeadlineRunner } from "../lib/deadlines.ts";
import {
  createConnect,
  descriptorOf,
  type ConnectHandlers,
  type ConnectTo,
  handshakeFailure,
  ownerHandlers,
  peerAddress,
  type TlsOptions,
  upgrade,
} from "./bun.ts";
import { libc, type SocketAddress, socketAddress } from "./libc.ts";
import type { OnFault } from "./listener.ts";
import type { HandshakeOwner, Socket, SocketOwner } from "./socket.ts";
import { tlsHandshake, type TlsHandshake } from "./tls-agreement.ts";
import { type TlsFailure, tlsFailure } from "./tls-failure.ts";
import { TlsSessions } from "./tls-sessions.ts";
import { WatchedEnds } from "./record-watch.ts";
import { endBroken, isTlsError } from "./socket-error.ts";
import { setSocketOptions, type SocketOptions } from "./socket-options.ts";

/**
 * Why a connection could not be made. `refused`: nothing listens, or it was reset before it stood (during a TLS
 * handshake the two cannot be told apart). `descriptors`: this process has none left, which says nothing of the endpoint.
 */
export type ConnectFailure =
  "refused" | "timeout" | "unreachable" | "tls" | "descriptors" | "other";

/** Is told how an attempt went: one call, never from inside `connect`. */
export interface ConnectObserver {
  /** The connection stands. The observer must take the socket over by setting its `data`. */
  onConnected(socket: Socket): void;
  /** `detail` is for people: what the system or OpenSSL said. */
  onConnectFailed(failure: ConnectFailure, detail: string): void;
}

/** An endpoint's address, prepared once so that connecting does not parse it each time. */
export interface ConnectTarget {
  readonly ip: string;
  readonly port: number;
  readonly prepared: SocketAddress | undefined;
}

/** A connection being made. */
export interface ConnectAttempt {
  /** Ends the attempt; its observer is told nothing. */
  abort(): void;
}

export function connectTarget(ip: string, port: number): ConnectTarget {
  const prepared = libc === undefined ? undefined : socketAddress(ip, port);
  return { ip, port, prepared };
}

/** Makes connections of one kind. */
export interface Connector {
  /** How TLS is spoken; undefined for plain TCP. */
  readonly tls: TlsOptions | undefined;
  /**
   * Begins a connection to `target`. `preamble` is sent to it before the TLS handshake; without TLS it is for the
   * observer to send, who may have more to say at once.
   */
  connect(target: ConnectTarget, observer: ConnectObserver, preamble?: Uint8Array): ConnectAttempt;
  /**
   * Has the kernel watch over a connection that lasts. Not done at once, as that is several system calls, which short
   * connections can do without.
   */
  watch?(socket: Socket): void;
}

/** Is told how TLS handshakes went. */
export interface HandshakeCounter {
  agreed(handshake: TlsHandshake): void;
  failed(why: TlsFailure): void;
}

/** How a connector speaks TLS, beside the handshake. */
export interface ConnectorTls {
  readonly handshakes?: HandshakeCounter | undefined;
  /** Endpoints that end without close_notify are told of as of a reset. */
  readonly needsCloseNotify?: boolean | undefined;
}

/** Connects sockets of this engine: same TLS, same time limit. */
export class SocketConnector implements Connector {
  readonly tls: TlsOptions | undefined;
  readonly deadlines: DeadlineQueue;
  readonly #handlers: ConnectHandlers<Attempt>;
  readonly #connect: Connect;
  /** For connections on which TLS begins after a preamble; made when it is first asked for. */
  #connectPlain: Connect | undefined;

  readonly #options: SocketOptions | undefined;
  readonly handshakes: HandshakeCounter | undefined;
  readonly #ends: WatchedEnds | undefined;
  readonly sessions: TlsSessions | undefined;

  /** `timeoutMs`: TCP connect and TLS handshake together; Infinity for none. `options` are for `watch`. */
  constructor(
    tls: TlsOptions | undefined,
    timeoutMs: number,
    clock: Clock,
    onFault: OnFault,
    options?: SocketOptions,
    { handshakes, needsCloseNotify }: ConnectorTls = {},
  ) {
    this.tls = tls;
    this.handshakes = handshakes;
    this.#ends = needsCloseNotify ? new WatchedEnds() : undefined;
    const sessions = tls && new TlsSessions(clock);
    this.sessions = sessions;
    const isPlain = options?.keepAlive === undefined && !(options?.userTimeoutMs ?? 0);
    this.#options = isPlain ? undefined : options;
    this.deadlines = new DeadlineQueue(clock, timeoutMs);
    this.#handlers = {
      ...ownerHandlers,
      open(socket) {
        // Only ever called with the attempt as owner: first of all, and once.
        socket.data.onOpen(socket);
      },
      error(socket, error) {
        if (isTlsError(error)) handshakes?.failed(tlsFailure(error));
        endBroken(socket, error, onFault);
      },
      connectError(socket, error) {
        socket.data.fail("refused", error.message);
      },
      ...(sessions && {
        handshake: onClientHandshake,
        session: (socket, session) => sessions.keep(socket, session),
      }),
    };
    this.#connect = createConnect(this.#handlers, tls);
  }

  connect(target: ConnectTarget, observer: ConnectObserver, preamble?: Uint8Array): ConnectAttempt {
    const { prepared } = target;
    const attempt = new Attempt(this, target, observer, preamble);
    attempt.deadline = this.deadlines.set(attempt);
    if (prepared === undefined || libc === undefined) {
      this.#open(attempt, { hostname: target.ip, port: target.port });
      return attempt;
    }
    const fd = libc.socket(prepared.family);
    if (fd < 0) {
      attempt.failLater("descriptors", "no file descriptors are left");
      return attempt;
    }
    const errno = libc.connect(fd, prepared);
    if (errno !== 0) {
      libc.close(fd);
      attempt.failLater(failureOfErrno(errno), `connect failed with errno ${errno}`);
      return attempt;
    }
    this.#open(attempt, { fd });
    return attempt;
  }

  watch(socket: Socket): void {
    if (this.#options !== undefined) setSocketOptions(descriptorOf(socket), this.#options);
  }

  /** Whether TLS begins once TCP stands, by a call of ours. */
  get startsPlain(): boolean {
    return this.tls === undefined || this.#ends !== undefined;
  }

  /** Goes over to TLS on a connection that stands. */
  startTls(socket: Socket, attempt: Attempt, tls: TlsOptions): Socket {
    // Sessions are left alone: the hello may be on its way when `upgrade` returns, and to offer one then ends the process.
    const quiet = { open: () => {}, session: () => {} };
    const handlers = { ...this.#handlers, ...quiet, ...this.#ends?.handlers };
    const begin = (onWire?: HandshakeOwner): Socket =>
      upgrade(socket, attempt, { handlers, tls, isServer: false, onWire });
    return this.#ends === undefined ? begin() : this.#ends.watch(begin);
  }

  #open(attempt: Attempt, to: ConnectTo): void {
    try {
      if (attempt.isPlain && this.tls !== undefined) {
        this.#connectPlain ??= createConnect(this.#handlers);
        this.#connectPlain(to, attempt);
      } else this.#connect(to, attempt);
    } catch (error) {
      attempt.failLater("other", String(error));
    }
  }
}

type Connect = ReturnType<typeof createConnect<Attempt>>;

class Attempt implements SocketOwner, ConnectAttempt, DeadlineRunner {
  readonly #connector: SocketConnector;
  readonly #observer: ConnectObserver;
  readonly target: ConnectTarget;
  /** To be sent before TLS. */
  #preamble: Uint8Array | undefined;
  #socket: Socket | undefined;
  #done = false;
  /** Whether the socket speaks plain TCP now: then it stands when TCP does. */
  isPlain: boolean;
  deadline: Deadline | undefined;

  constructor(
    connector: SocketConnector,
    target: ConnectTarget,
    observer: ConnectObserver,
    preamble: Uint8Array | undefined,
  ) {
    this.#connector = connector;
    this.#observer = observer;
    this.target = target;
    this.isPlain = connector.startsPlain || preamble !== undefined;
    this.#preamble = preamble;
  }

  abort(): void {
    this.#finish();
    this.#socket?.terminate();
  }

  onOpen(socket: Socket): void {
    this.#socket = socket;
    // An address without a way to abort it: it could not be ended before it opened.
    if (this.#done) return socket.terminate();
    const { ip, port, prepared } = this.target;
    if (!this.isPlain) this.#connector.sessions?.offer(socket, ip, port);
    if (prepared === undefined) this.onDrain();
  }

  onDrain(): void {
    // The first time that an adopted descriptor can be written to, its connect has succeeded.
    if (!this.isPlain) return;
    const { tls } = this.#connector;
    if (tls === undefined) this.#succeed();
    else this.#introduce(this.#preamble, tls);
  }

  onHandshake(failure: Error | undefined): void {
    const { handshakes, sessions } = this.#connector;
    if (failure === undefined) {
      if (this.#socket !== undefined) handshakes?.agreed(tlsHandshake(this.#socket));
      return this.#succeed();
    }
    sessions?.forget(this.target.ip, this.target.port);
    const why = tlsFailure(failure);
    handshakes?.failed(why);
    const reached = this.#socket !== undefined && peerAddress(this.#socket) !== undefined;
    // What OpenSSL says of the peer's bytes is so, though the peer may have gone since; a connection lost says nothing.
    const isVerdict = "code" in failure && failure.code !== "ECONNRESET";
    const isTls = reached || isVerdict;
    this.fail(isTls ? "tls" : "refused", isTls ? `${why}: ${failure.message}` : failure.message);
    this.#socket?.terminate();
  }

  onData(bytes: Uint8Array): void {
    // The peer speaks first and its bytes came with the end of the connect.
    this.onDrain();
    const owner = this.#socket?.data;
    if (owner !== undefined && owner !== this) owner.onData(bytes);
  }

  onEnd(): void {
    this.onDrain();
    const owner = this.#socket?.data;
    if (owner !== undefined && owner !== this) owner.onEnd();
  }

  onClose(error: Error | undefined): void {
    const code = error !== undefined && "code" in error ? String(error.code) : "closed";
    if (code === "ECONNRESET" && !this.#done && !this.isPlain)
      this.#connector.handshakes?.failed("reset");
    this.fail(failureOfCode(code), code);
  }

  onDeadline(): void {
    // Only where TCP stands is it the handshake that took too long.
    if (!this.isPlain && this.#socket !== undefined && peerAddress(this.#socket) !== undefined)
      this.#connector.handshakes?.failed("timeout");
    this.fail("timeout", "timed out");
    this.#socket?.terminate();
  }

  fail(failure: ConnectFailure, detail: string): void {
    if (this.#done) return;
    this.#finish();
    this.#observer.onConnectFailed(failure, detail);
  }

  /** Fails on the next turn, so that observers are never called from inside `connect`. */
  failLater(failure: ConnectFailure, detail: string): void {
    queueMicrotask(() => this.fail(failure, detail));
  }

  /** TCP stands: sends the preamble, if there is one, and goes over to TLS. */
  #introduce(preamble: Uint8Array | undefined, tls: TlsOptions): void {
    const socket = this.#socket;
    if (this.#done || socket === undefined) return;
    this.isPlain = false;
    // The buffer of a new socket takes more than any preamble.
    if (preamble === undefined || socket.write(preamble) === preamble.length) {
      this.#socket = this.#connector.startTls(socket, this, tls);
      return;
    }
    this.fail("other", "the preamble could not be sent");
    socket.terminate();
  }

  #succeed(): void {
    if (this.#done || this.#socket === undefined) return;
    this.#finish();
    this.#observer.onConnected(this.#socket);
  }

  #finish(): void {
    this.#done = true;
    this.deadline?.clear();
  }
}

function onClientHandshake(socket: Socket, ok: boolean, error: Error | null): void {
  const owner = socket.data;
  if (owner instanceof Attempt) owner.onHandshake(handshakeFailure(ok, error));
}

function failureOfErrno(errno: number): ConnectFailure {
  // Linux: ENETUNREACH 101, ECONNREFUSED 111, EHOSTUNREACH 113.
  if (errno === 111) return "refused";
  return errno === 101 || errno === 113 ? "unreachable" : "other";
}

function failureOfCode(code: string): ConnectFailure {
  switch (code) {
    case "ECONNREFUSED":
    case "ECONNRESET":
      return "refused";
    case "ETIMEDOUT":
      return "timeout";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "unreachable";
    default:
      return "other";
  }
}
