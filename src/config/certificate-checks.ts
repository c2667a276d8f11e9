// What is to be said of a certificate: its name, what it is valid for, what is weak about it, and how a chain fits together.
import type { X509Certificate } from "node:crypto";
import { certificateNames } from "../lib/certificate-names.ts";
import { comparedName } from "../lib/server-name.ts";
import { isServerName } from "./server-name.ts";

/** As of 2014 no public authority signs less, and OpenSSL's default level refuses it (CA/Browser Forum, NIST SP 800-131A). */
const LEAST_RSA_BITS = 2_048;

/** Whether a weakness keeps a certificate from being used, or is only worth a word. */
export interface Weakness {
  readonly severity: "error" | "warning";
  /** A clause. */
  readonly problem: string;
}

/** The common name, else the first alternative name, else the serial number: for people and for a label of metrics. */
export function nameOf(certificate: X509Certificate): string {
  const common = /^CN=(.+)$/m.exec(textOf(certificate.subject))?.[1];
  const [first] = certificate.subjectAltName?.split(", ") ?? [];
  return common ?? first ?? `serial ${certificate.serialNumber}`;
}

/** The subject on one line. */
export function subjectOf(certificate: X509Certificate): string {
  return textOf(certificate.subject).replaceAll("\n", ", ") || nameOf(certificate);
}

/** The server names that a certificate is for, in lower case; wildcards of a whole label only. */
export function dnsNames(certificate: X509Certificate): readonly string[] {
  const names = certificateNames(certificate.raw).flatMap(({ kind, value }) => {
    const name = (kind === "dns" && comparedName(value)) || "";
    return isServerName(name) ? [name] : [];
  });
  return [...new Set(names)];
}

/** Whether a certificate is for any name or address that clients look at. */
export function isNamed(certificate: X509Certificate): boolean {
  return certificateNames(certificate.raw).some(({ kind }) => kind === "dns" || kind === "ip");
}

/**
 * Whether clients that ask for `serverName`, which may begin with `*.`, will take a certificate with these names for its
 * server's.
 */
export function isFor(names: readonly string[], serverName: string): boolean {
  if (names.includes(serverName)) return true;
  return !serverName.startsWith("*.") && names.includes(serverName.replace(/^[^.]+/, "*"));
}

/** What is weak about a certificate of a chain; `isLeaf`: the server's own. */
export function weaknessOf(certificate: X509Certificate, isLeaf: boolean): Weakness | undefined {
  const bits = rsaBits(certificate);
  if (bits !== undefined && bits < LEAST_RSA_BITS) {
    const problem = `its RSA key has ${bits} bits, and clients refuse less than ${LEAST_RSA_BITS}`;
    return { severity: "error", problem };
  }
  // Nobody verifies the signature of a root.
  if (!isLeaf && isSelfIssued(certificate)) return undefined;
  const algorithm = certificate.signatureAlgorithm ?? "";
  if (/md[245]/i.test(algorithm)) {
    return { severity: "error", problem: `it is signed with ${algorithm}, which can be forged` };
  }
  if (/sha-?1(?!\d)/i.test(algorithm)) {
    return { severity: "warning", problem: `it is signed with ${algorithm}, which clients refuse` };
  }
  return undefined;
}

/** What is wrong with the order of a chain, or with its completeness, as a clause. `isKnown`: clients have it anyway. */
export function chainFault(
  chain: readonly X509Certificate[],
  isKnown: (issuer: string) => boolean,
): string | undefined {
  for (const [index, certificate] of chain.entries()) {
    const previous = chain[index - 1];
    if (previous === undefined || wasIssuedBy(previous, certificate)) continue;
    const name = subjectOf(certificate);
    const isElsewhere = chain.some(
      (other) => other !== certificate && wasIssuedBy(other, certificate),
    );
    return isElsewhere
      ? `the chain is out of order: ${name} must come right after what it has issued`
      : `${name} is no part of the chain: it has issued nothing in it`;
  }
  const last = chain.at(-1);
  if (last === undefined || isSelfIssued(last)) return undefined;
  // Where to find the issuer stands in certificates of authorities that have authorities above them.
  const hasMore = last.infoAccess?.includes("CA Issuers") ?? false;
  if (!hasMore || isKnown(last.issuer)) return undefined;
  const issuer = textOf(last.issuer).replaceAll("\n", ", ");
  return `the chain ends with ${subjectOf(last)}; the certificate of its issuer, ${issuer}, is missing`;
}

/** A name of no parts, as new certificates of Let's Encrypt have it, is undefined, whatever its type says. */
function textOf(name: string | undefined): string {
  return name ?? "";
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer;
}

function wasIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer);
  } catch {
    return false;
  }
}

function rsaBits(certificate: X509Certificate): number | undefined {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
    return asymmetricKeyType === "rsa" ? asymmetricKeyDetails?.modulusLength : undefined;
  } catch {
    // A key of a kind that the library does not know.
    return undefined;
  }
}
