// The hello with which a client's TLS begins, on a socket that is passed on: the reading of it, and what else may come.
import type { HandshakeOwner } from "../../transport/socket.ts";
import { type ClientHello, HelloReader } from "./client-hello.ts";

/** What the first bytes of a connection are. */
export type FirstBytes =
  | ClientHello
  | "not_tls"
  | "malformed_hello"
  /** There are none. */
  | "silent";

/** Is told what became of a hello. */
export interface HelloObserver {
  /**
   * `bytes` are all that have come, for whoever owns the socket next: the observer must give it an owner. `ended`: the
   * client has ended its direction.
   */
  onHello(first: FirstBytes, bytes: Uint8Array, ended: boolean): void;
  /** It has not come in time; `begun` is whether a part of it has. */
  onHelloLate(begun: boolean): void;
  /** The client has ended its direction without a word. */
  onHelloEnd(): void;
  /** The socket is gone. */
  onHelloClose(error: Error | undefined): void;
}

/** Owns an accepted socket until it is known what its client speaks. Keeps at most `MOST_BYTES_READ`. */
export class IncomingHello implements HandshakeOwner {
  readonly #observer: HelloObserver;
  readonly #reader = new HelloReader();
  #done = false;

  constructor(observer: HelloObserver) {
    this.#observer = observer;
  }

  onData(bytes: Uint8Array): void {
    if (this.#done) return;
    const read = this.#reader.push(bytes);
    switch (read.kind) {
      case "more":
        return;
      case "hello":
        return this.#tell(read.hello, false);
      case "not_tls":
        return this.#tell("not_tls", false);
      case "malformed":
        return this.#tell("malformed_hello", false);
      default:
        return read satisfies never;
    }
  }

  onEnd(): void {
    if (this.#done) return;
    if (this.#reader.begun) return this.#tell("malformed_hello", true);
    this.#done = true;
    this.#observer.onHelloEnd();
  }

  onClose(error: Error | undefined): void {
    this.#done = true;
    this.#observer.onHelloClose(error);
  }

  onDrain(): void {}

  /** There is no handshake of ours. */
  onHandshake(): void {}

  /** Its time is over. */
  onDeadline(): void {
    if (this.#done) return;
    this.#done = true;
    this.#observer.onHelloLate(this.#reader.begun);
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    this.#done = true;
  }

  #tell(first: FirstBytes, ended: boolean): void {
    this.#done = true;
    this.#observer.onHello(first, this.#reader.bytes, ended);
  }
}
