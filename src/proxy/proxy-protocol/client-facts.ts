// What can be told of a client's connection once its handshake is done.
import { socketEnds, tlsFacts, type TlsFacts } from "../../transport/bun.ts";
import type { SessionFacts } from "../session-facts.ts";
import type { ClientFacts } from "./outgoing.ts";

/**
 * `socket` is the accepted one, `settings` say whether it speaks TLS, `received` the header that came with it, `hello` what a hello
 * told that is passed on.
 */
export function clientFacts({
  socket,
  settings,
  received,
  hello,
}: Pick<SessionFacts, "socket" | "settings" | "received" | "hello">): ClientFacts {
  const ends = socket && socketEnds(socket);
  return {
    ends: ends && { source: ends.peer, destination: ends.local },
    tls: settings.tls && socket !== undefined ? tlsFacts(socket) : hello,
    received,
  };
}

/** What a hello tells that is passed on: nothing is agreed upon yet. `alpn` is the first protocol that is offered. */
export function helloFacts(serverName: string | undefined, alpn: string | undefined): TlsFacts {
  return { version: undefined, cipher: undefined, serverName, alpn };
}
