// TLS on accepted connections that began in plain text: what came before TLS has been read by somebody else.
import { type ListenHandlers, onServerHandshake, ownerHandlers, upgrade } from "./bun.ts";
import type { OnFault } from "./listener.ts";
import { WatchedEnds } from "./record-watch.ts";
import type { ServerTls } from "./server-tls.ts";
import type { HandshakeOwner, Socket } from "./socket.ts";
import { endBroken } from "./socket-error.ts";

/**
 * Begins TLS on an accepted socket and answers the one that takes its place; `read` is what was read of the client's
 * handshake already. The owner is told of the handshake's outcome, which may be before this returns.
 */
export type StartTls = (plain: Socket, owner: HandshakeOwner, read: Uint8Array) => Socket;

/**
 * Makes the function that does so, with the identities and protocols of `tls`. `needsCloseNotify`: clients that end without
 * are told of as of a reset.
 */
export function createStartTls(
  tls: ServerTls,
  onFault: OnFault,
  needsCloseNotify = false,
): StartTls {
  const ends = needsCloseNotify ? new WatchedEnds() : undefined;
  const handlers: ListenHandlers = {
    ...ownerHandlers,
    open() {},
    error(socket, error) {
      endBroken(socket, error, onFault);
    },
    handshake: onServerHandshake,
    ...tls.callbacks,
    ...ends?.handlers,
  };
  const options = tls.shared();
  return (plain, owner, read) => {
    const begin = (onWire?: HandshakeOwner): Socket =>
      upgrade(plain, owner, { handlers, tls: options, isServer: true, read, onWire });
    return ends === undefined ? begin() : ends.watch(begin, read);
  };
}
