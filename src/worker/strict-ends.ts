// What a server needs on a worker whose clients must end TLS by close_notify.
import type { OnFault } from "../transport/listener.ts";
import type { ServerTls } from "../transport/server-tls.ts";
import { createStartTls, type StartTls } from "../transport/server-upgrade.ts";

/** TLS begins in the session: only then do the records on the wire tell how a client has ended. */
export function strictEnds(tls: ServerTls, onFault: OnFault): StartTls {
  return createStartTls(tls, onFault, true);
}
