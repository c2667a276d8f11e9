// Certificates from the text of PEM files, and the blocks that such files are made of. Messages never hold any of the text.
import { X509Certificate } from "node:crypto";

/** A problem is a clause about the file, such as `it holds no certificate`. */
export type Pem<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** One `BEGIN … END` of a file. */
export interface PemBlock {
  readonly label: string;
  readonly text: string;
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;
const CERTIFICATE = /^(?:X509 |TRUSTED )?CERTIFICATE$/;
const KEY = /PRIVATE KEY$/;

/** All certificates of a file, at least one, in their order. Other blocks, such as keys, are passed over. */
export function readCertificates(text: string): Pem<readonly X509Certificate[]> {
  const blocks = pemBlocks(text);
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
  const hasKey = keyBlocks(blocks).length > 0;
  return failure(`it holds no certificate${hasKey ? ", only a private key" : ""}`);
}

/** The blocks of a file, in their order; none in a file that is no PEM. */
export function pemBlocks(text: string): readonly PemBlock[] {
  return [...text.matchAll(BLOCK)].map(([block, label = ""]) => ({ label, text: block }));
}

/** Those blocks that are private keys. */
export function keyBlocks(blocks: readonly PemBlock[]): readonly PemBlock[] {
  return blocks.filter(({ label }) => KEY.test(label));
}

/** Why a text without any block is no PEM file. */
export function notPem(text: string): { readonly ok: false; readonly problem: string } {
  if (text.trim() === "") return failure("it is empty");
  // DER begins with an ASN.1 sequence of two length bytes.
  const isDer = text.startsWith("0\u0082") || text.startsWith("0\ufffd");
  return failure(`it is not a PEM file${isDer ? " but looks like DER" : ""}`);
}

export function failure(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
