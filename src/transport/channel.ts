// Lines of text between two processes, over one end of a socket pair. On the control thread alone.
import { createConnect, ownerHandlers } from "./bun.ts";
import type { Socket, SocketOwner } from "./socket.ts";

/** What is sent here is short; a peer that sends more without a line end is not one of ours. */
const LONGEST_LINE_BYTES = 4 * 1024 * 1024;

/** Is told what comes. */
export interface ChannelObserver {
  /** A line, without its end. */
  onLine(line: string): void;
  /** The other end is closed, or its process is gone. Called once, last; not after `close`. */
  onClosed(): void;
}

/** One end. Takes its descriptor over. */
export class Channel implements SocketOwner {
  readonly #observer: ChannelObserver;
  readonly #decoder = new TextDecoder();
  #socket: Socket | undefined;
  #text = "";
  #unsent = new Uint8Array(0);
  #closed = false;

  constructor(fd: number, observer: ChannelObserver) {
    this.#observer = observer;
    connect({ fd }, this);
  }

  /** Sends a line. What the other end does not take at once is sent when it does. */
  send(line: string): void {
    if (this.#closed) return;
    this.#unsent = Buffer.concat([this.#unsent, Buffer.from(`${line}\n`)]);
    this.onDrain();
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
  }

  attach(socket: Socket): void {
    this.#socket = socket;
    this.onDrain();
  }

  onData(bytes: Uint8Array): void {
    const lines = (this.#text + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#text = lines.pop() ?? "";
    for (const line of lines) if (!this.#closed) this.#observer.onLine(line);
    if (this.#text.length > LONGEST_LINE_BYTES) this.onEnd();
  }

  onDrain(): void {
    const written = this.#unsent.length === 0 ? 0 : (this.#socket?.write(this.#unsent) ?? 0);
    if (written > 0) this.#unsent = this.#unsent.subarray(written);
  }

  onEnd(): void {
    this.#socket?.close();
    this.onClose();
  }

  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#observer.onClosed();
  }
}

const connect = createConnect<Channel>({
  ...ownerHandlers,
  open(socket) {
    socket.data.attach(socket);
  },
  connectError({ data }) {
    data.onClose();
  },
  error(socket) {
    // A handler of ours that threw: the other process is told by the end of the channel.
    socket.terminate();
  },
});
