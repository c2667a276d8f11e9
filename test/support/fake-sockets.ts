// Sockets and a connector that tests drive by hand.
import type {
  ConnectAttempt,
  ConnectFailure,
  ConnectObserver,
  Connector,
  ConnectTarget,
} from "../../src/transport/connector.ts";
import type { TlsOptions } from "../../src/transport/bun.ts";
import type { Socket, SocketOwner } from "../../src/transport/socket.ts";

const NOBODY: SocketOwner = { onData() {}, onDrain() {}, onEnd() {}, onClose() {} };

/** A socket that notes what is done to it. `room` is how many bytes it takes until more is allowed. */
export class FakeSocket implements Socket {
  data: SocketOwner = NOBODY;
  room = Number.POSITIVE_INFINITY;
  written = "";
  paused = false;
  finished = false;
  state: "open" | "closed" | "reset" = "open";
  /** Where a test says so, as Bun's sockets have them. */
  remoteAddress: string | undefined;
  remotePort: number | undefined;
  localAddress: string | undefined;
  localPort: number | undefined;
  /** What Bun's sockets tell of TLS, of which this one speaks none. */
  readonly authorized = false;
  readonly alpnProtocol = null;
  readonly getTLSVersion = () => null;
  readonly getCipher = () => undefined;
  readonly getServername = () => null;
  readonly getSession = () => undefined;
  readonly isSessionReused = () => false;

  write(bytes: Uint8Array): number {
    if (this.state !== "open" || this.finished) return -1;
    const taken = Math.min(bytes.length, this.room);
    this.room -= taken;
    this.written += new TextDecoder().decode(bytes.subarray(0, taken));
    return taken;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  shutdown(): void {
    this.finished = true;
  }

  close(): void {
    this.#end("closed");
  }

  terminate(): void {
    this.#end("reset");
  }

  /** The peer sends `text`. */
  receive(text: string): void {
    this.receiveBytes(new TextEncoder().encode(text));
  }

  receiveBytes(bytes: Uint8Array): void {
    this.data.onData(bytes);
  }

  /** The peer ends its direction; after our own end the socket is gone. */
  receiveEnd(): void {
    if (this.finished) this.close();
    else this.data.onEnd();
  }

  /** The peer resets. */
  receiveReset(): void {
    this.state = "reset";
    this.data.onClose(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
  }

  /** Takes `bytes` more. */
  allow(bytes: number): void {
    this.room = bytes;
    this.data.onDrain();
  }

  #end(state: "closed" | "reset"): void {
    if (this.state !== "open") return;
    this.state = state;
    this.data.onClose(undefined);
  }
}

/** One attempt that a test decides. */
export class FakeAttempt implements ConnectAttempt {
  readonly target: ConnectTarget;
  readonly preamble: Uint8Array | undefined;
  readonly #observer: ConnectObserver;
  aborted = false;

  constructor(target: ConnectTarget, observer: ConnectObserver, preamble?: Uint8Array) {
    this.target = target;
    this.preamble = preamble;
    this.#observer = observer;
  }

  abort(): void {
    this.aborted = true;
  }

  succeed(socket = new FakeSocket()): FakeSocket {
    this.#observer.onConnected(socket);
    return socket;
  }

  fail(failure: ConnectFailure = "refused", detail = "as the test says"): void {
    this.#observer.onConnectFailed(failure, detail);
  }
}

/** Keeps attempts until the test decides them. */
export class FakeConnector implements Connector {
  readonly tls: TlsOptions | undefined;
  readonly attempts: FakeAttempt[] = [];
  readonly watched: Socket[] = [];

  constructor(tls?: TlsOptions) {
    this.tls = tls;
  }

  connect(target: ConnectTarget, observer: ConnectObserver, preamble?: Uint8Array): ConnectAttempt {
    const attempt = new FakeAttempt(target, observer, preamble);
    this.attempts.push(attempt);
    return attempt;
  }

  watch(socket: Socket): void {
    this.watched.push(socket);
  }

  /** The newest attempt. */
  get last(): FakeAttempt {
    const attempt = this.attempts.at(-1);
    if (attempt === undefined) throw new Error("nothing was attempted");
    return attempt;
  }
}
