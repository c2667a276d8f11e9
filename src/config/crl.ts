// Lists of revoked certificates (RFC 5280 §5) from the text of PEM files: as much of them as shows whether they can be of
// use. The TLS library reads and applies them; see transport/client-auth.ts.
import { type KeyObject, verify, type X509Certificate } from "node:crypto";
import { subjectOf } from "../lib/certificate-names.ts";
import { DerReader, type DerValue, sameBytes, TAG } from "../lib/der.ts";
import type { Pem } from "./pem.ts";

/** A list of revoked certificates. */
export interface Crl {
  readonly pem: string;
  /** When it was made, in milliseconds since 1970. */
  readonly thisUpdateMs: number;
  /** When there should be a newer one, in milliseconds since 1970; undefined where it does not say. */
  readonly nextUpdateMs: number | undefined;
  /** Whether the certificate has the name of the list's issuer. */
  isNamedAfter(authority: X509Certificate): boolean;
  /** Whether the certificate's key has signed the list; undefined where that cannot be told. */
  isSignedBy(authority: X509Certificate): boolean | undefined;
}

const BLOCK = /-----BEGIN X509 CRL-----([\s\S]*?)-----END X509 CRL-----/g;
/** What `openssl` needs that is given DER. */
const CONVERT = "openssl crl -inform DER -in … -out …";

/** All lists of a file, at least one, in their order. Other blocks are passed over. */
export function readCrls(text: string): Pem<readonly Crl[]> {
  const blocks = [...text.matchAll(BLOCK)];
  const crls: Crl[] = [];
  for (const [pem, base64 = ""] of blocks) {
    const crl = readCrl(Uint8Array.from(Buffer.from(base64, "base64")), `${pem}\n`);
    if (crl === undefined)
      return { ok: false, problem: `list ${crls.length + 1} in it cannot be read` };
    crls.push(crl);
  }
  if (crls.length > 0) return { ok: true, value: crls };
  return { ok: false, problem: problemOf(text) };
}

function problemOf(text: string): string {
  if (text.trim() === "") return "it is empty";
  // DER begins with an ASN.1 sequence of two length bytes.
  if (text.startsWith("0\u0082") || text.startsWith("0\ufffd"))
    return `it is not a PEM file but looks like DER; make one with: ${CONVERT}`;
  return "it holds no list of revoked certificates (-----BEGIN X509 CRL-----)";
}

/** CertificateList of RFC 5280 §5.1, down to the time of the next list. */
function readCrl(der: Uint8Array, pem: string): Crl | undefined {
  const list = new DerReader(der).enter(TAG.sequence);
  const signed = list?.take(TAG.sequence);
  const algorithm = list?.enter(TAG.sequence)?.take(TAG.oid);
  const signature = list?.take(TAG.bitString);
  if (signed === undefined || algorithm === undefined || signature === undefined) return undefined;
  // The first byte of a bit string counts the bits of its last one that are none.
  if (signature.content[0] !== 0) return undefined;
  const body = new DerReader(signed.content);
  body.take(TAG.integer);
  body.take(TAG.sequence);
  const issuer = body.take(TAG.sequence);
  const made = takeTime(body);
  const thisUpdateMs = made && timeOf(made);
  if (issuer === undefined || thisUpdateMs === undefined) return undefined;
  const next = takeTime(body);
  return {
    pem,
    thisUpdateMs,
    nextUpdateMs: next && timeOf(next),
    isNamedAfter: ({ raw }) => {
      const subject = subjectOf(raw);
      return subject !== undefined && sameBytes(subject, issuer.whole);
    },
    isSignedBy: ({ publicKey }) =>
      verified(algorithm.content, signed.whole, publicKey, signature.content.subarray(1)),
  };
}

function takeTime(reader: DerReader): DerValue | undefined {
  return reader.take(TAG.utcTime) ?? reader.take(TAG.generalizedTime);
}

/** RFC 5280 §4.1.2.5: with two digits, years are from 1950 to 2049. */
function timeOf({ tag, content }: DerValue): number | undefined {
  const text = Buffer.from(content).toString("latin1");
  const [, year = "", ...parts] =
    /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text) ?? [];
  if (year.length !== (tag === TAG.utcTime ? 2 : 4)) return undefined;
  const century = Number(year) < 50 ? "20" : "19";
  const [month, day, hour, minute, second] = parts;
  const full = year.length === 4 ? year : `${century}${year}`;
  const ms = Date.parse(`${full}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The hash that goes with an algorithm of signatures; null where the algorithm has its own. */
const HASHES: ReadonlyMap<string, string | null> = new Map([
  ["2a864886f70d01010b", "sha256"],
  ["2a864886f70d01010c", "sha384"],
  ["2a864886f70d01010d", "sha512"],
  ["2a8648ce3d040302", "sha256"],
  ["2a8648ce3d040303", "sha384"],
  ["2a8648ce3d040304", "sha512"],
  ["2b6570", null],
]);

function verified(
  algorithm: Uint8Array,
  bytes: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
): boolean | undefined {
  const hash = HASHES.get(Buffer.from(algorithm).toString("hex"));
  if (hash === undefined) return undefined;
  try {
    return verify(hash, bytes, key, signature);
  } catch {
    // A key of another type than the algorithm's.
    return false;
  }
}
