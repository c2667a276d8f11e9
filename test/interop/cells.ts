// What is tried: each stack as a client and as an endpoint, each version, each type of key.

export const KEYS = ["RSA-2048", "ECDSA P-256", "ECDSA P-384", "Ed25519"] as const;
export type Key = (typeof KEYS)[number];

export const VERSIONS = ["1.2", "1.3"] as const;
export type Version = (typeof VERSIONS)[number];

export const STACKS = ["OpenSSL", "GnuTLS", "Node.js", "Python"] as const;
export type Stack = (typeof STACKS)[number];

/** A stack that speaks this version and nothing else, with a proxy (as its client: or an endpoint) that has this key. */
export interface Cell {
  readonly stack: Stack;
  readonly version: Version;
  readonly key: Key;
}

export const CELLS: readonly Cell[] = STACKS.flatMap((stack) =>
  VERSIONS.flatMap((version) => KEYS.map((key) => ({ stack, version, key }))),
);

/** The name in all certificates. */
export const NAME = "web.test";

/** What a client says; endpoints answer each line, and end after the second. */
export const LINES = ["some bytes there and back", "bye"] as const;

/** What was wrong with a connection; none: nothing was. */
export type Problems = readonly string[];

/** What was wrong with a full handshake, and with one that resumes its session. */
export interface Tried {
  readonly full: Problems;
  readonly resumed: Problems;
}

/** The programs that a stack needs. */
export const PROGRAMS: Readonly<Record<Stack, readonly string[]>> = {
  OpenSSL: ["openssl"],
  GnuTLS: ["openssl", "gnutls-cli", "gnutls-serv"],
  "Node.js": ["openssl", "node"],
  Python: ["openssl", "python3"],
};
