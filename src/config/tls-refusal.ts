// What the TLS library has against certificates, keys and lists.
import type * as NodeTls from "node:tls";

/** What TLS itself has against an identity or a list. A running proxy must not find that out when it has changed half of itself. */
export function refusalOf(options: NodeTls.SecureContextOptions): string | undefined {
  // Loaded where there is something to try: it takes time and memory.
  const { createSecureContext } = import.meta.require("node:tls") as typeof NodeTls;
  try {
    createSecureContext(options);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
