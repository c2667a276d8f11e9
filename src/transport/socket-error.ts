// What Bun calls an error of a socket: an exception of ours in a handler, or the end of its TLS by the peer's alert or by a
// record that cannot be read. With TLS 1.3 an endpoint refuses a certificate in this way, after the handshake.
import { NOBODY } from "./bun.ts";
import type { Socket } from "./socket.ts";

/** What went wrong inside a handler: a defect of ours, which costs one connection. */
export type OnFault = (error: Error) => void;

/**
 * Ends the socket at once. Its owner is told of a failure of TLS as of a reset: the close that Bun tells of afterwards
 * looks like the peer's end in good order.
 */
export function endBroken(socket: Socket, error: Error, onFault: OnFault): void {
  if (!isTlsError(error)) {
    onFault(error);
    socket.terminate();
    return;
  }
  const owner = socket.data;
  socket.data = NOBODY;
  socket.terminate();
  owner.onClose(error);
}

/** Whether it is TLS that has ended the socket. */
export function isTlsError(error: Error): boolean {
  return "code" in error && error.code === "EPROTO";
}
