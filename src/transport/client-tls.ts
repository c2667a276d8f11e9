// TLS towards endpoints: what is trusted, and the name that is sent and verified.
import { createTlsContext, type TlsOptions } from "./bun.ts";
import { TLS_POLICY } from "./server-tls.ts";

/**
 * Options that verify chain and name before a byte flows. `trustPem` holds PEM certificates; undefined leaves the
 * roots that come with Bun. Throws OpenSSL's error when they can't be read.
 */
export function createClientTls(
  dnsName: string,
  trustPem: readonly string[] | undefined,
): TlsOptions {
  const roots = trustPem === undefined ? {} : { ca: trustPem };
  return { ...TLS_POLICY, secureContext: createTlsContext(roots), serverName: dnsName };
}
