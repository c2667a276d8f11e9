// What can be told of a client's connection once its handshake is done.
import { socketEnds, tlsFacts } from "../../transport/bun.ts";
import type { SessionFacts } from "../session-facts.ts";
import type { ClientFacts } from "./outgoing.ts";

/** `socket` is the accepted one, `settings` say whether it speaks TLS, `received` the header that came with it. */
export function clientFacts({
  socket,
  settings,
  received,
}: Pick<SessionFacts, "socket" | "settings" | "received">): ClientFacts {
  const ends = socket && socketEnds(socket);
  return {
    ends: ends && { source: ends.peer, destination: ends.local },
    tls: settings.tls && socket !== undefined ? tlsFacts(socket) : undefined,
    received,
  };
}
