// Certificates and private keys from the text of PEM files. Messages never hold any of the text.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

/** A problem is a clause about the file, such as `it holds no certificate`. */
export type Pem<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

interface Block {
  readonly label: string;
  readonly text: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;
const CERTIFICATE = /^(?:X509 |TRUSTED )?CERTIFICATE$/;
const KEY = /PRIVATE KEY$/;
/** What TLS can sign with here. */
const KEY_TYPES: readonly (string | undefined)[] = ["rsa", "ec", "ed25519"];

/** All certificates of a file, at least one, in their order. Other blocks, such as keys, are passed over. */
export function readCertificates(text: string): Pem<readonly X509Certificate[]> {
  const blocks = blocksOf(text);
  if (blocks.length === 0) return notPem(text);
  const certificates: X509Certificate[] = [];
  for (const block of blocks.filter(({ label }) => CERTIFICATE.test(label))) {
    try {
      certificates.push(new X509Certificate(block.text));
    } catch {
      return failure(`certificate ${certificates.length + 1} in it cannot be read`);
    }
  }
  if (certificates.length > 0) return { ok: true, value: certificates };
  const hasKey = blocks.some(({ label }) => KEY.test(label));
  return failure(`it holds no certificate${hasKey ? ", only a private key" : ""}`);
}

/** The one private key of a file: PKCS#8, PKCS#1 or EC (SEC1). Other blocks, such as certificates, are passed over. */
export function readPrivateKey(text: string): Pem<KeyObject> {
  const blocks = blocksOf(text);
  if (blocks.length === 0) return notPem(text);
  const keys = blocks.filter(({ label }) => KEY.test(label));
  const [key] = keys;
  if (key === undefined) return failure("it holds no private key");
  if (keys.length > 1) return failure(`it holds ${keys.length} private keys, one is expected`);
  if (key.label === "ENCRYPTED PRIVATE KEY" || key.text.includes("ENCRYPTED")) {
    return failure("the private key in it is encrypted; decrypt it with: openssl pkey");
  }
  try {
    const value = createPrivateKey(key.text);
    if (KEY_TYPES.includes(value.asymmetricKeyType)) return { ok: true, value };
    return failure(`TLS cannot use a key of the type ${value.asymmetricKeyType}`);
  } catch {
    return failure("the private key in it cannot be read, or is of a type that TLS does not use");
  }
}

function blocksOf(text: string): readonly Block[] {
  return [...text.matchAll(BLOCK)].map(([block, label = ""]) => ({ label, text: block }));
}

function notPem(text: string): { readonly ok: false; readonly problem: string } {
  if (text.trim() === "") return failure("it is empty");
  // DER begins with an ASN.1 sequence of two length bytes.
  const isDer = text.startsWith("0\u0082") || text.startsWith("0\ufffd");
  return failure(`it is not a PEM file${isDer ? " but looks like DER" : ""}`);
}

function failure(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
