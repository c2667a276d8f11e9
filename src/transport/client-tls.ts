// TLS towards endpoints: what is trusted, the name that is sent and verified, and the certificate that is shown.
import { systemRoots } from "../lib/system-roots.ts";
import {
  createTlsContext,
  type TlsContext,
  type TlsContextOptions,
  type TlsOptions,
} from "./bun.ts";
import { trustOptions } from "./client-auth.ts";
import { certAndKey, type IdentityPem } from "./identity-pem.ts";
import { tlsPolicy, type TlsMinVersion } from "./tls-policy.ts";

/** How endpoints are spoken with. */
export interface ClientTlsSettings {
  /** The name sent as SNI and verified. */
  readonly dnsName: string;
  /** PEM certificates; undefined trusts the system's roots, or, where a system has none, those that come with Bun. */
  readonly trustPem: readonly string[] | undefined;
  /** PEM lists of revoked certificates; with any, each authority of a chain must have one. */
  readonly crlPem?: readonly string[] | undefined;
  /** Shown to endpoints that ask for a certificate. */
  readonly clientAuth?: IdentityPem | undefined;
  /** Offered to endpoints, in the order of preference. */
  readonly alpnProtocols?: readonly string[] | undefined;
  /** Default: 1.2. */
  readonly minVersion?: TlsMinVersion | undefined;
}

/**
 * Contexts for connections to endpoints, one for each set of certificates: reading a system's 140 roots takes 5 ms and
 * 300 kB, and many destinations trust the same.
 */
export class ClientTls {
  /** Weakly held: what a destination trusted before a reload is not kept for it. */
  readonly #contexts = new Map<string, WeakRef<TlsContext>>();

  /** Options that verify chain and name before a byte flows. Throws OpenSSL's error when the PEM cannot be read. */
  options({ dnsName, alpnProtocols = [], ...settings }: ClientTlsSettings): TlsOptions {
    return {
      secureContext: this.#context(contextOptions(settings)),
      serverName: dnsName,
      ...(alpnProtocols.length > 0 && { ALPNProtocols: alpnWire(alpnProtocols) }),
    };
  }

  #context(options: TlsContextOptions): TlsContext {
    // The hash of what is trusted and shown, not its text: that would stay in memory as long as the process.
    const key = new Bun.CryptoHasher("sha256").update(JSON.stringify(options)).digest("hex");
    const known = this.#contexts.get(key)?.deref();
    if (known !== undefined) return known;
    for (const [other, context] of this.#contexts) {
      if (context.deref() === undefined) this.#contexts.delete(other);
    }
    const context = createTlsContext(options);
    this.#contexts.set(key, new WeakRef(context));
    return context;
  }
}

/** A list of protocols as a hello has it (RFC 7301 §3.1). */
export function alpnWire(protocols: readonly string[]): Uint8Array {
  return Buffer.concat(
    protocols.map((protocol) => {
      const name = Buffer.from(protocol);
      return Buffer.concat([Buffer.of(name.length), name]);
    }),
  );
}

function contextOptions({
  trustPem,
  crlPem = [],
  clientAuth,
  minVersion,
}: Omit<ClientTlsSettings, "dnsName">): TlsContextOptions {
  const system = trustPem === undefined ? systemRoots()?.pem : undefined;
  const ca = trustPem ?? (system === undefined ? undefined : [system]);
  return {
    ...tlsPolicy(minVersion),
    ...(ca !== undefined && { ca }),
    ...trustOptions(trustPem, crlPem),
    ...(clientAuth && certAndKey(clientAuth)),
  };
}
