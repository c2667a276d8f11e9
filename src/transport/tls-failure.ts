// Why a TLS handshake has failed: a closed list, made from what Bun and BoringSSL say of it. Label values of
// l5d_srv_tls_handshake_failure_reason_total and l5d_dst_tls_handshake_failure_reason_total.

/** All reasons with their meaning. */
export const TLS_FAILURES = {
  no_shared_version: "No version of TLS in common.",
  no_shared_cipher:
    "No suite, group or kind of signature in common, or the peer said handshake_failure, which is what it says then.",
  unknown_ca: "The certificate of one side is from no authority that the other trusts.",
  expired: "The certificate of one side has expired.",
  not_yet_valid: "The certificate of one side is not valid yet.",
  revoked: "The certificate of one side has been revoked.",
  no_revocation_list:
    "There is no valid list of revoked certificates for an authority of the chain.",
  name_mismatch: "The certificate of the endpoint is for another name.",
  no_certificate: "The peer has shown no certificate, or misses one of ours.",
  no_identity: "We have no certificate for the name that the client asked for.",
  not_allowed: "The certificate of the client is good, and no rule is for its names.",
  bad_certificate:
    "The certificate of one side is unfit in another way, or its peer did not say in which.",
  alpn_mismatch: "No application protocol in common.",
  not_tls: "What the peer sent first is no TLS.",
  renegotiation: "The peer wanted to renegotiate, which is refused.",
  unreadable_alert:
    "The peer ended the handshake by an alert in plain text where it should be encrypted, so that it cannot be read. With OpenSSL and TLS 1.3 this is a client that does not take our certificate.",
  protocol: "The peer broke the protocol, or sent another alert.",
  timeout: "The handshake took too long.",
  left: "The peer left before the handshake was done, such as a port scan or a health check.",
  reset: "The peer reset the connection during the handshake.",
  other: "Anything else; the log has the text.",
} as const satisfies Readonly<Record<string, string>>;

export type TlsFailure = keyof typeof TLS_FAILURES;

/** Codes of errors: what the verification of a certificate says (X509_verify_cert_error_string), and our own. */
const BY_CODE: Readonly<Record<string, TlsFailure>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unknown_ca",
  UNABLE_TO_GET_ISSUER_CERT: "unknown_ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unknown_ca",
  DEPTH_ZERO_SELF_SIGNED_CERT: "unknown_ca",
  SELF_SIGNED_CERT_IN_CHAIN: "unknown_ca",
  CERT_UNTRUSTED: "unknown_ca",
  CERT_HAS_EXPIRED: "expired",
  CERT_NOT_YET_VALID: "not_yet_valid",
  CERT_REVOKED: "revoked",
  UNABLE_TO_GET_CRL: "no_revocation_list",
  UNABLE_TO_GET_CRL_ISSUER: "no_revocation_list",
  CRL_HAS_EXPIRED: "no_revocation_list",
  CRL_NOT_YET_VALID: "no_revocation_list",
  CRL_SIGNATURE_FAILURE: "no_revocation_list",
  ERR_TLS_CERT_ALTNAME_INVALID: "name_mismatch",
  HOSTNAME_MISMATCH: "name_mismatch",
  PEER_DID_NOT_RETURN_A_CERTIFICATE: "no_certificate",
  CERT_SIGNATURE_FAILURE: "bad_certificate",
  CERT_CHAIN_TOO_LONG: "bad_certificate",
  CERT_REJECTED: "bad_certificate",
  CLIENT_NOT_ALLOWED: "not_allowed",
  INVALID_CA: "bad_certificate",
  INVALID_PURPOSE: "bad_certificate",
  PATH_LENGTH_EXCEEDED: "bad_certificate",
  ECONNRESET: "left",
  ETIMEDOUT: "timeout",
};

/**
 * Names of BoringSSL's reasons (ssl/ssl_lib.cc and include/openssl/ssl.h there). ALERT is what the peer has said; SSLV3 and
 * TLSV1 tell the version that brought the alert, not that of the connection.
 */
const BY_REASON: Readonly<Record<string, TlsFailure>> = {
  UNSUPPORTED_PROTOCOL: "no_shared_version",
  WRONG_SSL_VERSION: "no_shared_version",
  INAPPROPRIATE_FALLBACK: "no_shared_version",
  NO_SUPPORTED_VERSIONS_ENABLED: "no_shared_version",
  TLSV1_ALERT_PROTOCOL_VERSION: "no_shared_version",
  NO_SHARED_CIPHER: "no_shared_cipher",
  NO_CIPHERS_SPECIFIED: "no_shared_cipher",
  NO_SHARED_GROUP: "no_shared_cipher",
  WRONG_CURVE: "no_shared_cipher",
  WRONG_CIPHER_RETURNED: "no_shared_cipher",
  NO_COMMON_SIGNATURE_ALGORITHMS: "no_shared_cipher",
  WRONG_SIGNATURE_TYPE: "no_shared_cipher",
  SSLV3_ALERT_HANDSHAKE_FAILURE: "no_shared_cipher",
  TLSV1_ALERT_INSUFFICIENT_SECURITY: "no_shared_cipher",
  TLSV1_ALERT_UNKNOWN_CA: "unknown_ca",
  SSLV3_ALERT_CERTIFICATE_EXPIRED: "expired",
  SSLV3_ALERT_CERTIFICATE_REVOKED: "revoked",
  TLSV1_ALERT_UNRECOGNIZED_NAME: "name_mismatch",
  TLSV1_UNRECOGNIZED_NAME: "name_mismatch",
  PEER_DID_NOT_RETURN_A_CERTIFICATE: "no_certificate",
  TLSV1_ALERT_CERTIFICATE_REQUIRED: "no_certificate",
  TLSV1_CERTIFICATE_REQUIRED: "no_certificate",
  SSLV3_ALERT_NO_CERTIFICATE: "no_certificate",
  NO_CERTIFICATE_SET: "no_identity",
  CONNECTION_REJECTED: "no_identity",
  CERTIFICATE_VERIFY_FAILED: "bad_certificate",
  KEY_USAGE_BIT_INCORRECT: "bad_certificate",
  WRONG_CERTIFICATE_TYPE: "bad_certificate",
  UNKNOWN_CERTIFICATE_TYPE: "bad_certificate",
  CANNOT_PARSE_LEAF_CERT: "bad_certificate",
  CERT_LENGTH_MISMATCH: "bad_certificate",
  ECC_CERT_NOT_FOR_SIGNING: "bad_certificate",
  SSLV3_ALERT_BAD_CERTIFICATE: "bad_certificate",
  SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: "bad_certificate",
  SSLV3_ALERT_CERTIFICATE_UNKNOWN: "bad_certificate",
  TLSV1_ALERT_ACCESS_DENIED: "bad_certificate",
  NO_APPLICATION_PROTOCOL: "alpn_mismatch",
  TLSV1_ALERT_NO_APPLICATION_PROTOCOL: "alpn_mismatch",
  HTTP_REQUEST: "not_tls",
  HTTPS_PROXY_REQUEST: "not_tls",
  WRONG_VERSION_NUMBER: "not_tls",
  NO_RENEGOTIATION: "renegotiation",
  TLSV1_ALERT_NO_RENEGOTIATION: "renegotiation",
  // Two bytes where an encrypted record is expected, which is never that short: tls-failure.test.ts.
  BAD_PACKET_LENGTH: "unreadable_alert",
};

/** Why, by what Bun told of it: in `handshake`, or as an error of the socket. */
export function tlsFailure(error: Error): TlsFailure {
  const code = "code" in error ? String(error.code) : "";
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code] ?? "other";
  const reason = /:OPENSSL_internal:(\w+)/.exec(error.message)?.[1];
  if (reason === undefined) return "other";
  return (Object.hasOwn(BY_REASON, reason) ? BY_REASON[reason] : undefined) ?? "protocol";
}
