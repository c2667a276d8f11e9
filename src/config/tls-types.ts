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
  /** Clients that offer protocols, none of them ours, are refused; undefined: they are served without one. */
  readonly alpnMismatch?: "refuse" | undefined;
  /** Undefined: 1.2. */
  readonly minVersion?: TlsMinVersion | undefined;
  /** Clients that end without close_notify are taken to be cut off; undefined: they end in good order. */
  readonly closeNotify?: "required" | undefined;
  /** Undefined: clients are not asked for certificates. */
  readonly clientAuth?: ClientAuthConfig | undefined;
}

/** The oldest version that is spoken. */
export type TlsMinVersion = "1.2" | "1.3";

/** What is asked of certificates of clients. */
export interface ClientAuthConfig {
  /** Else whoever has none is served. */
  readonly required: boolean;
  /** PEM certificates of those who vouch for clients. */
  readonly trustPem: readonly string[];
  /** PEM lists of revoked certificates; empty: none is asked. */
  readonly crlPem: readonly string[];
  /** Rules of lib/name-rule.ts; undefined: every verified certificate is good. */
  readonly allow: readonly string[] | undefined;
}

export interface NamedIdentity {
  /** Lower case; may begin with `*.`. */
  readonly serverName: string;
  readonly identity: IdentityConfig;
  /** In place of the server's; undefined: as the server. */
  readonly clientAuth?: ClientAuthConfig | "none" | undefined;
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
  /** The name sent as SNI and verified; in a rule with places for captures of its prefix, such as `{name}`. */
  readonly dnsName: string;
  /** PEM certificates that are trusted; undefined for the system's roots. */
  readonly trustPem: readonly string[] | undefined;
  /** PEM lists of revoked certificates; undefined: none is asked. */
  readonly crlPem?: readonly string[] | undefined;
  /** Shown to endpoints that ask for a certificate. */
  readonly clientAuth?: IdentityConfig | undefined;
  /** Offered to endpoints, in the order of preference. */
  readonly alpnProtocols?: readonly string[] | undefined;
  /** Undefined: 1.2. */
  readonly minVersion?: TlsMinVersion | undefined;
  /** As ServerTlsConfig has it, for endpoints. */
  readonly closeNotify?: "required" | undefined;
}
