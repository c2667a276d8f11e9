// What one side of TLS shows of itself, in PEM.

/** What is shown for a name: a pair for each type of key. */
export interface IdentityPem {
  readonly pairs: readonly KeyPairPem[];
}

/** A certificate chain (leaf first) and its key, in PEM. */
export interface KeyPairPem {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** As the engine takes them: chains and their keys, in the same order. */
export function certAndKey({ pairs }: IdentityPem): {
  readonly cert: readonly string[];
  readonly key: readonly string[];
} {
  return {
    cert: pairs.map(({ certificateChainPem }) => certificateChainPem),
    key: pairs.map(({ privateKeyPem }) => privateKeyPem),
  };
}
