// How DNS messages travel: one datagram from a fresh port, or one connection, for each question.
import type { Address } from "../../lib/address.ts";
import { FrameReader, framed } from "./frames.ts";

/** Who waits for messages. Nothing is called before the function that sends has returned, nor after it was closed. */
export interface MessageListener {
  /** Bytes that came from the server: one message, if they are any. There may be several. */
  message(bytes: Uint8Array): void;
  /** No message will come any more; `code` is the system's error, or says what the server did. */
  failed(code: string): void;
}

/** Sends `message` to `server` and listens until the function that is returned is called. Never throws. */
export type SendMessage = (
  server: Address,
  message: Uint8Array,
  listener: MessageListener,
) => () => void;

export interface DnsTransport {
  readonly udp: SendMessage;
  readonly tcp: SendMessage;
}

/** Bun's sockets. */
export const systemTransport: DnsTransport = { udp: overUdp, tcp: overTcp };

/**
 * A new socket each time gets a port that the kernel draws (RFC 5452 §9.2). It is connected, so that the kernel drops what
 * others send, and tells when nobody listens there.
 */
function overUdp(server: Address, message: Uint8Array, listener: MessageListener): () => void {
  const query = new UdpQuery(message, listener);
  void query.open(server);
  return () => query.close();
}

class UdpQuery {
  readonly #message: Uint8Array;
  readonly #listener: MessageListener;
  #socket: Bun.udp.ConnectedSocket<"buffer"> | undefined;
  #sent = false;
  #over = false;

  constructor(message: Uint8Array, listener: MessageListener) {
    this.#message = message;
    this.#listener = listener;
  }

  async open({ ip, port }: Address): Promise<void> {
    try {
      const socket = await Bun.udpSocket({
        connect: { hostname: ip, port },
        socket: {
          data: (_socket, bytes) => {
            if (!this.#over) this.#listener.message(bytes);
          },
          drain: () => this.#send(),
          // Bun 1.4.5 gives the error alone, against its types: so it is looked for.
          error: (...args: readonly unknown[]) =>
            this.#fail(args.find((arg) => arg instanceof Error)),
        },
      });
      if (this.#over) return socket.close();
      this.#socket = socket;
      this.#send();
    } catch (error) {
      this.#fail(error);
    }
  }

  close(): void {
    this.#over = true;
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Sends it once: `drain` comes also when there is nothing left to send. */
  #send(): void {
    if (this.#sent || this.#socket === undefined) return;
    this.#sent = this.#socket.send(this.#message);
  }

  #fail(error: unknown): void {
    if (!this.#over) this.#listener.failed(codeOf(error));
  }
}

/** RFC 7766: each message has its length before it. */
function overTcp(server: Address, message: Uint8Array, listener: MessageListener): () => void {
  let over = false;
  let socket: Bun.Socket | undefined;
  let unsent = framed(message);
  const frames = new FrameReader();
  const fail = (code: string): void => {
    if (!over) listener.failed(code);
  };
  const flush = (it: Bun.Socket): void => {
    unsent = unsent.subarray(Math.max(0, it.write(unsent)));
  };
  Bun.connect({
    hostname: server.ip,
    port: server.port,
    socket: {
      open(it) {
        // A connect cannot be called off (Bun 1.4.5): one that comes late is closed at once.
        if (over) return void it.terminate();
        socket = it;
        flush(it);
      },
      drain: (it) => flush(it),
      data(_socket, bytes) {
        for (const frame of frames.push(bytes)) {
          if (over) return;
          listener.message(frame);
        }
      },
      close: (_socket, error) => fail(error === undefined ? "it hung up" : codeOf(error)),
      error: (_socket, error) => fail(codeOf(error)),
      // The promise is rejected as well, and later: connectError may be called before Bun.connect returns.
      connectError() {},
    },
  }).catch((error: unknown) => fail(codeOf(error)));
  return () => {
    over = true;
    socket?.terminate();
    socket = undefined;
  };
}

function codeOf(error: unknown): string {
  if (error instanceof Error) return "code" in error ? String(error.code) : error.name;
  return "unknown error";
}
