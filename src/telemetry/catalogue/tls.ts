// Metrics of TLS handshakes, with clients and with endpoints. Names that clients ask for are never a label: there is no end
// to them.
import { counter } from "../define-metric.ts";

const SERVER = ["rt", "srv_addr"];
const DST = ["dst", "rt"];

const REASONS =
  "no_shared_version, no_shared_cipher, unknown_ca, expired, not_yet_valid, revoked, no_revocation_list, name_mismatch, no_certificate, no_identity, not_allowed, bad_certificate, alpn_mismatch, not_tls, renegotiation, unreadable_alert, protocol, timeout, left, reset, other";
const CLOSED = "Versions and suites that the policy has, else other.";

/** With clients; servers with TLS only. */
export const SERVER_TLS_METRICS = {
  handshakes: counter(
    "l5d_srv_tls_handshakes_total",
    ["cipher", "resumed", "version", ...SERVER],
    `TLS handshakes with clients that were done. ${CLOSED}`,
  ),
  groups: counter(
    "l5d_srv_tls_groups_total",
    ["group", ...SERVER],
    "TLS handshakes with clients that were done, by the group of the key exchange.",
  ),
  alpn: counter(
    "l5d_srv_tls_alpn_total",
    ["alpn", ...SERVER],
    "TLS handshakes with clients that were done, by the protocol agreed upon: one of alpnProtocols, or none.",
  ),
  failures: counter(
    "l5d_srv_tls_handshake_failure_reason_total",
    ["reason", ...SERVER],
    `TLS handshakes with clients that were not done, by reason: ${REASONS}. Without left, reset and not_allowed the sum is l5d_srv_tls_handshake_failure_total.`,
  ),
} as const;

/** With endpoints; destinations with TLS only. */
export const DESTINATION_TLS_METRICS = {
  handshakes: counter(
    "l5d_dst_tls_handshakes_total",
    ["cipher", "resumed", "version", ...DST],
    `TLS handshakes with endpoints that were done. ${CLOSED}`,
  ),
  groups: counter(
    "l5d_dst_tls_groups_total",
    ["group", ...DST],
    "TLS handshakes with endpoints that were done, by the group of the key exchange.",
  ),
  alpn: counter(
    "l5d_dst_tls_alpn_total",
    ["alpn", ...DST],
    "TLS handshakes with endpoints that were done, by the protocol agreed upon, or none.",
  ),
  failures: counter(
    "l5d_dst_tls_handshake_failure_reason_total",
    ["reason", ...DST],
    `TLS handshakes with endpoints that were not done, by reason: ${REASONS}.`,
  ),
} as const;
