// The names that a certificate is for (subjectAltName, RFC 5280 §4.2.1.6), read from its DER. What is written about them
// as text is not to be trusted for decisions: a name may hold what looks like the beginning of another one.
import { unmapped } from "./cidr.ts";
import { context, DerReader, sameBytes, TAG } from "./der.ts";
import { formatIp } from "./ip.ts";

export type NameKind = "dns" | "uri" | "email" | "ip";

/** A name of a certificate. Bytes above 127, which are not allowed in them, are characters of the same number. */
export interface CertificateName {
  readonly kind: NameKind;
  readonly value: string;
}

/** 2.5.29.17 */
const SUBJECT_ALT_NAME = Uint8Array.of(0x55, 0x1d, 0x11);
const KINDS: ReadonlyMap<number, NameKind> = new Map([
  [context(1, false), "email"],
  [context(2, false), "dns"],
  [context(6, false), "uri"],
  [context(7, false), "ip"],
]);

/** The names of a certificate, in their order; none where there are none, or where the bytes are no certificate. */
export function certificateNames(certificate: Uint8Array): readonly CertificateName[] {
  const extension = subjectAltName(certificate);
  const general = extension && new DerReader(extension).enter(TAG.sequence);
  const names: CertificateName[] = [];
  for (let name = general?.next(); name !== undefined; name = general?.next()) {
    const kind = KINDS.get(name.tag);
    if (kind === undefined) continue;
    if (kind !== "ip") names.push({ kind, value: latin1(name.content) });
    else if (name.content.length === 4 || name.content.length === 16)
      names.push({ kind, value: formatIp(unmapped(name.content)) });
  }
  return names;
}

/** The DER of a certificate's subject; undefined where the bytes are no certificate. */
export function subjectOf(certificate: Uint8Array): Uint8Array | undefined {
  return toSubject(certificate)?.take(TAG.sequence)?.whole;
}

/** As OpenSSL writes it: `URI:spiffe://td/ns/web`. */
export function formatName({ kind, value }: CertificateName): string {
  return `${PREFIXES[kind]}:${value}`;
}

const PREFIXES: Readonly<Record<NameKind, string>> = {
  dns: "DNS",
  uri: "URI",
  email: "email",
  ip: "IP",
};

function subjectAltName(certificate: Uint8Array): Uint8Array | undefined {
  const rest = toSubject(certificate);
  // Subject, key.
  if (rest?.take(TAG.sequence) === undefined || rest.take(TAG.sequence) === undefined)
    return undefined;
  rest.take(context(1, false));
  rest.take(context(2, false));
  const extensions = rest.enter(context(3, true))?.enter(TAG.sequence);
  for (let one = extensions?.enter(TAG.sequence); one; one = extensions?.enter(TAG.sequence)) {
    const oid = one.take(TAG.oid);
    one.take(TAG.boolean);
    const value = one.take(TAG.octetString);
    if (oid !== undefined && sameBytes(oid.content, SUBJECT_ALT_NAME)) return value?.content;
  }
  return undefined;
}

/** A reader of the signed part of a certificate that stands before the subject. */
function toSubject(certificate: Uint8Array): DerReader | undefined {
  const signed = new DerReader(certificate).enter(TAG.sequence)?.enter(TAG.sequence);
  signed?.take(context(0, true));
  if (signed?.take(TAG.integer) === undefined) return undefined;
  // Algorithm, issuer, validity.
  for (let skipped = 0; skipped < 3; skipped += 1) {
    if (signed.take(TAG.sequence) === undefined) return undefined;
  }
  return signed;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
