// The PROXY protocol's parts of the configuration, and what they do not go together with.
import { formatCidr, parseCidr } from "../lib/cidr.ts";
import { clientFor } from "./client-for.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import { pathsOfAll } from "./route-paths.ts";
import type { FileClientProxyProtocol, FileServerProxyProtocol } from "./schema-proxy-protocol.ts";
import type {
  ClientProxyProtocolConfig,
  RouterConfig,
  ServerProxyProtocolConfig,
} from "./types.ts";

export function serverProxyProtocol(
  { trusted, required, timeoutMs }: FileServerProxyProtocol,
  path: ConfigPath,
  problems: ProblemList,
): ServerProxyProtocolConfig {
  const blocks = trusted.flatMap((text) => parseCidr(text) ?? []);
  blocks.forEach((block, index) => {
    if (block.length > 0) return;
    const message = `${formatCidr(block)} trusts everybody: any client may claim any address`;
    problems.warning([...path, "trusted", index], message);
  });
  return { trusted: blocks.map(formatCidr), required, timeoutMs };
}

export function clientProxyProtocol(
  { version, tlvs = [] }: FileClientProxyProtocol,
  path: ConfigPath,
  problems: ProblemList,
): ClientProxyProtocolConfig {
  if (version === 1 && tlvs.length > 0) {
    problems.error([...path, "tlvs"], "only version 2 has TLVs, and this is version 1");
  }
  return { version, tlvs: [...new Set(tlvs)] };
}

/** A header tells of one client, and comes before TLS: such connections cannot be made in advance. */
export function checkProxyProtocol(
  { servers, client }: RouterConfig,
  path: ConfigPath,
  problems: ProblemList,
): void {
  for (const dstName of pathsOfAll(servers)) {
    const { tls, proxyProtocol, minConnections } = clientFor(client, dstName);
    if (tls === undefined || proxyProtocol === undefined || minConnections === 0) continue;
    const message =
      `minConnections cannot be kept for ${dstName}: with tls, the PROXY header of a client comes before the handshake, ` +
      "so that no connection can be made before its client; leave out minConnections, tls or proxyProtocol";
    problems.error([...path, "client"], message);
  }
}
