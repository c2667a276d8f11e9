// TLS towards endpoints: what is trusted, and the name that is sent and verified.
import { systemRoots } from "../lib/system-roots.ts";
import { createTlsContext, type TlsContext, type TlsOptions } from "./bun.ts";
import { TLS_POLICY } from "./server-tls.ts";

/**
 * Contexts for connections to endpoints, one for each set of trusted certificates: reading a system's 140 roots takes
 * 5 ms and 300 kB, and many destinations trust the same.
 */
export class ClientTls {
  /** Weakly held: what a destination trusted before a reload is not kept for it. */
  readonly #contexts = new Map<string, WeakRef<TlsContext>>();

  /**
   * Options that verify chain and name before a byte flows. `trustPem` holds PEM certificates; undefined trusts the
   * system's roots, or, where a system has none, those that come with Bun. Throws OpenSSL's error when they can't be
   * read.
   */
  options(dnsName: string, trustPem: readonly string[] | undefined): TlsOptions {
    const system = trustPem === undefined ? systemRoots()?.pem : undefined;
    const ca = trustPem ?? (system === undefined ? undefined : [system]);
    return { secureContext: this.#context(ca), serverName: dnsName };
  }

  #context(ca: readonly string[] | undefined): TlsContext {
    // The hash of what is trusted, not its text: that would stay in memory as long as the process.
    const key =
      ca === undefined ? "" : new Bun.CryptoHasher("sha256").update(ca.join("\0")).digest("hex");
    const known = this.#contexts.get(key)?.deref();
    if (known !== undefined) return known;
    for (const [other, context] of this.#contexts) {
      if (context.deref() === undefined) this.#contexts.delete(other);
    }
    const context = createTlsContext({ ...TLS_POLICY, ...(ca !== undefined && { ca }) });
    this.#contexts.set(key, new WeakRef(context));
    return context;
  }
}
