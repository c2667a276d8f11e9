// Lists of revoked certificates for tests.
import { X509Certificate } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { Ca, Issued } from "../certs.ts";

const DAY_MS = 86_400_000;

/** PEM of a list that `ca` has signed. `days`: from now to when there should be a newer one; negative for one that is old. */
export async function makeCrl(
  ca: Ca,
  revoked: readonly Issued[],
  options: { readonly days?: number; readonly signer?: Ca } = {},
): Promise<string> {
  const { days = 30, signer = ca } = options;
  const now = Date.now();
  const crl = await x509.X509CrlGenerator.create({
    issuer: ca.certificate.subject,
    thisUpdate: new Date(now + Math.min(-1, days - 1) * DAY_MS),
    nextUpdate: new Date(now + days * DAY_MS),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    signingKey: signer.signingKey,
    entries: revoked.map(({ certPem }) => ({
      serialNumber: new X509Certificate(certPem).serialNumber,
      revocationDate: new Date(now - DAY_MS),
      // Without one it writes an empty list of extensions, which is no DER.
      reason: x509.X509CrlReason.keyCompromise,
    })),
  });
  // Its own label is not that of RFC 7468 §5.
  return `${crl.toString("pem").replaceAll(" CRL-", " X509 CRL-")}\n`;
}
