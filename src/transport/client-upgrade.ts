// TLS on connections to endpoints that began in plain text, where the protocol asks for it after some words.
import {
  handshakeFailure,
  type ListenHandlers,
  ownerHandlers,
  type TlsOptions,
  upgrade,
} from "./bun.ts";
import type { OnFault } from "./listener.ts";
import type { HandshakeOwner, Socket } from "./socket.ts";
import { endBroken } from "./socket-error.ts";

/** Begins TLS on a connected socket and answers the one that takes its place; the owner is told of the outcome. */
export type StartClientTls = (plain: Socket, owner: HandshakeOwner) => Socket;

/** Makes the function that does so, with the trust and the name of `tls`. */
export function createClientUpgrade(tls: TlsOptions, onFault: OnFault): StartClientTls {
  const handlers: ListenHandlers = {
    ...ownerHandlers,
    open() {},
    error(socket, error) {
      endBroken(socket, error, onFault);
    },
    handshake(socket, ok, error) {
      (socket.data as HandshakeOwner).onHandshake(handshakeFailure(ok, error));
    },
  };
  return (plain, owner) => upgrade(plain, owner, { handlers, tls, isServer: false });
}
