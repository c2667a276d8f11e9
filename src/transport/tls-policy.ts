// What is allowed in a TLS handshake, on either side. Nothing weaker can be configured.

/** The oldest version that is spoken. */
export type TlsMinVersion = "1.2" | "1.3";

// TLS 1.2 only with ephemeral keys and authenticated encryption (RFC 9325 §4.2); TLS 1.3 knows nothing else.
const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

// The library's own list, less SHA-1, which it still takes from peers in TLS 1.2 (RFC 9155 forbids it), and with Ed25519,
// which it does not take from peers by itself.
const SIGNATURES = [
  "ecdsa_secp256r1_sha256",
  "rsa_pss_rsae_sha256",
  "rsa_pkcs1_sha256",
  "ed25519",
  "ecdsa_secp384r1_sha384",
  "rsa_pss_rsae_sha384",
  "rsa_pkcs1_sha384",
  "ecdsa_secp521r1_sha512",
  "rsa_pss_rsae_sha512",
  "rsa_pkcs1_sha512",
].join(":");

/** The hybrid of X25519 and ML-KEM first: what is recorded today shall not be read by quantum computers. */
const GROUPS = "X25519MLKEM768:X25519:P-256:P-384";

/** The part of a context's options that is policy. */
export interface TlsPolicy {
  readonly ciphers: string;
  readonly sigalgs: string;
  readonly ecdhCurve: string;
  readonly minVersion: string;
}

/** The policy from a version on. */
export function tlsPolicy(minVersion: TlsMinVersion = "1.2"): TlsPolicy {
  return {
    ciphers: CIPHERS,
    sigalgs: SIGNATURES,
    ecdhCurve: GROUPS,
    minVersion: `TLSv${minVersion}`,
  };
}
