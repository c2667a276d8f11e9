// TLS towards endpoints: what is trusted, and the name that is sent and verified.
import { createTlsContext, type TlsOptions } from "./bun.ts";
import { TLS_POLICY } from "./server-tls.ts";
import { systemRoots } from "./system-roots.ts";

/**
 * Options that verify chain and name before a byte flows. `trustPem` holds PEM certificates; undefined trusts the
 * system's roots, or, where a system has none, those that come with Bun. Throws OpenSSL's error when they can't be
 * read.
 */
export function createClientTls(
  dnsName: string,
  trustPem: readonly string[] | undefined,
): TlsOptions {
  const system = trustPem === undefined ? systemRoots() : undefined;
  const ca = trustPem ?? (system === undefined ? undefined : [system]);
  const roots = ca === undefined ? {} : { ca };
  return { secureContext: createTlsContext({ ...TLS_POLICY, ...roots }), serverName: dnsName };
}
