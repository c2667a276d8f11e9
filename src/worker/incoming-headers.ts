// What a server needs on a worker whose connections begin with PROXY headers.
import type { ServerProxyProtocolConfig } from "../config/types.ts";
import { IncomingRule } from "../proxy/proxy-protocol/incoming.ts";
import type { ServerSetup } from "../proxy/server.ts";
import type { OnFault } from "../transport/listener.ts";
import type { ServerTls } from "../transport/server-tls.ts";
import { createStartTls } from "../transport/server-upgrade.ts";

/** The rule for headers. Where TLS comes after them, it is for the session to begin it. */
export function incomingHeaders(
  config: ServerProxyProtocolConfig,
  tls: ServerTls | undefined,
  needsCloseNotify: boolean,
  onFault: OnFault,
): Pick<ServerSetup, "incoming" | "startTls"> {
  const startTls = tls && createStartTls(tls, onFault, needsCloseNotify);
  return { incoming: new IncomingRule(config), startTls };
}
