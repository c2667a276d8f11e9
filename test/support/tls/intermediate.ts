// An authority below another one, for chains of more than one certificate.
// oxlint-disable-next-line import/no-unassigned-import -- it installs what @peculiar/x509 looks for as it loads
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { type Ca, makeCa } from "../certs.ts";

/** An authority that `parent` has signed. */
export async function makeIntermediate(parent: Ca, name = "Test intermediate"): Promise<Ca> {
  const own = await makeCa(name);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: "4d",
    subject: own.certificate.subject,
    issuer: parent.certificate.subject,
    notBefore: own.certificate.notBefore,
    notAfter: own.certificate.notAfter,
    publicKey: own.certificate.publicKey,
    signingKey: parent.signingKey,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: own.certificate.extensions,
  });
  return { ...own, certificate, certPem: `${certificate.toString("pem")}\n` };
}
