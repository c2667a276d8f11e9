// Metrics of certificates in use, and of their rotation.
import { counter, gauge } from "../define-metric.ts";

export const CERTIFICATE_METRICS = {
  notAfter: gauge(
    "l5d_tls_certificate_not_after_timestamp_seconds",
    ["file", "role", "name"],
    "When a certificate in use ends, in seconds since 1970; of a chain, the first of its certificates to end. Role: server, client, trust; crl for a list of revoked certificates.",
  ),
  rotated: counter(
    "l5d_tls_rotation_success_total",
    [],
    "Certificates with keys, and sets of authorities, that were replaced as their files had changed.",
  ),
  failures: counter(
    "l5d_tls_rotation_failure_total",
    [],
    "Changes of PEM files that were refused: what was in use before stays in use.",
  ),
  refused: gauge(
    "l5d_tls_rotation_refused",
    [],
    "Certificates with keys, and sets of authorities, whose files cannot be used as they are now.",
  ),
} as const;
