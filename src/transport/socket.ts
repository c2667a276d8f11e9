// The socket port: all that the data plane knows of sockets. Bun's own sockets fit it as they are, without a
// wrapper; another engine can stand behind it.

/** A connected stream socket, plain or TLS. Calls on a closed socket do nothing. */
export interface Socket {
  /** Who is told what happens; may be replaced at any time. */
  data: SocketOwner;
  /** Takes what fits now and answers how many bytes that is; -1 when nothing can be written any more. */
  write(bytes: Uint8Array): number;
  /** Stops reading. Bytes that the engine has read already may still be delivered. */
  pause(): void;
  resume(): void;
  /** Ends the writing direction (FIN, for TLS close_notify first); what was not written before is lost. */
  shutdown(): void;
  /** Closes both directions; the peer sees an end, or a reset when it has sent bytes that nobody read. */
  close(): void;
  /** Resets the connection. */
  terminate(): void;
}

/** Is told what happens on a socket. Must not throw. */
export interface SocketOwner {
  /** Bytes have come. They belong to the owner. */
  onData(bytes: Uint8Array): void;
  /** More may fit now. Also called when nothing was refused. */
  onDrain(): void;
  /** The peer has ended its direction. Not called when both directions end at once: then only `onClose`. */
  onEnd(): void;
  /** The socket is gone: in order (no error) or by a reset or another failure. Called once, last. */
  onClose(error: Error | undefined): void;
}

/** Is told, besides, how the TLS handshake of an accepted connection went. */
export interface HandshakeOwner extends SocketOwner {
  /** `failure` is undefined when the handshake succeeded; else the socket is about to close. */
  onHandshake(failure: Error | undefined): void;
}

/** Makes the owner of each connection that a listener accepts. */
export type Accept = (socket: Socket) => HandshakeOwner;
