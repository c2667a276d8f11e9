// TLS in the checked configuration: with clients, and with endpoints.

/** TLS of a server. */
export interface ServerTlsConfig {
  /** In the order of preference; empty for no ALPN. */
  readonly alpnProtocols: readonly string[];
  /** Presented when no other identity fits; undefined refuses such clients. */
  readonly defaultIdentity: IdentityConfig | undefined;
  /** By server name: exact names and `*.example.com`. */
  readonly identities: readonly NamedIdentity[];
  /** Longest time for a handshake. */
  readonly handshakeTimeoutMs: number;
}

export interface NamedIdentity {
  /** Lower case; may begin with `*.`. */
  readonly serverName: string;
  readonly identity: IdentityConfig;
}

/** What a server shows for a name: at least one pair, and at most one of each type of key. */
export interface IdentityConfig {
  readonly pairs: readonly KeyPairConfig[];
}

/** A certificate chain with its key, read from files. */
export interface KeyPairConfig {
  /** PEM, leaf first. */
  readonly certificateChainPem: string;
  /** PEM, not encrypted. */
  readonly privateKeyPem: string;
}

/** TLS with the endpoints of a destination. */
export interface ClientTlsConfig {
  /** The name sent as SNI and verified. */
  readonly dnsName: string;
  /** PEM certificates that are trusted; undefined for the system's roots. */
  readonly trustPem: readonly string[] | undefined;
}
