// Certificates for tests: an authority, and what it issues, as PEM texts.
// oxlint-disable-next-line import/no-unassigned-import -- it installs what @peculiar/x509 looks for as it loads
import "reflect-metadata";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** A certificate with its key. */
export interface Issued {
  /** The certificate alone. */
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
  /** PKCS#1 for RSA, SEC1 for ECDSA. */
  readonly traditionalKeyPem: string;
  /** PKCS#8, encrypted with the password `secret`. */
  readonly encryptedKeyPem: string;
}

/** An authority that can issue. */
export interface Ca extends Issued {
  readonly certificate: x509.X509Certificate;
  readonly signingKey: CryptoKey;
}

export interface IssueOptions {
  /** DNS names, the first of which is the common name too. Default: `localhost`. */
  readonly names?: readonly string[];
  readonly ips?: readonly string[];
  readonly uris?: readonly string[];
  readonly emails?: readonly string[];
  /** Default: `ecdsa`, on P-256. */
  readonly algorithm?: "ecdsa" | "rsa";
  /** Default: `CN=` and the first name; empty for no name at all. */
  readonly subject?: string;
  /** Of an RSA key. Default: 2048. */
  readonly bits?: number;
  /** What is signed is hashed by. Default: SHA-256. */
  readonly hash?: "SHA-1" | "SHA-256";
  /** Days from now until it expires; negative for one that has. Default: 30. */
  readonly days?: number;
  /** Days from now until it becomes valid. Default: one day before now or, if it has expired, before its end. */
  readonly fromDays?: number;
}

interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const DAY_MS = 86_400_000;
const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/** A self-signed authority. */
export async function makeCa(name = "Test CA"): Promise<Ca> {
  const pair = keyPair("ecdsa");
  const keys = await webKeys(pair, "ecdsa");
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${name}`,
    notBefore: inDays(-1),
    notAfter: inDays(365),
    signingAlgorithm: EC,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 2, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { ...issued(certificate, pair), certificate, signingKey: keys.privateKey };
}

/** A certificate for servers and clients, signed by `ca`. */
export async function issue(ca: Ca, options: IssueOptions = {}): Promise<Issued> {
  const { names = ["localhost"], ips = [], algorithm = "ecdsa", days = 30 } = options;
  const { uris = [], emails = [] } = options;
  const { fromDays = Math.min(-1, days - 1) } = options;
  const pair = keyPair(algorithm, options.bits);
  const keys = await webKeys(pair, algorithm);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: options.subject ?? `CN=${names[0] ?? ips[0] ?? "nobody"}`,
    issuer: ca.certificate.subject,
    notBefore: inDays(fromDays),
    notAfter: inDays(days),
    publicKey: keys.publicKey,
    signingKey: ca.signingKey,
    signingAlgorithm: { ...EC, hash: options.hash ?? EC.hash },
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...alternativeNames([
        ...names.map((value) => ({ type: "dns", value }) as const),
        ...ips.map((value) => ({ type: "ip", value }) as const),
        ...uris.map((value) => ({ type: "url", value }) as const),
        ...emails.map((value) => ({ type: "email", value }) as const),
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(ca.certificate.publicKey),
    ],
  });
  return issued(certificate, pair);
}

function alternativeNames(names: readonly x509.JsonGeneralName[]): x509.Extension[] {
  return names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])];
}

function keyPair(algorithm: "ecdsa" | "rsa", bits = 2048): KeyPair {
  return algorithm === "ecdsa"
    ? generateKeyPairSync("ec", { namedCurve: "P-256" })
    : generateKeyPairSync("rsa", { modulusLength: bits });
}

async function webKeys(pair: KeyPair, algorithm: "ecdsa" | "rsa") {
  const { subtle } = crypto;
  const kind = algorithm === "ecdsa" ? EC : RSA;
  const pkcs8 = pair.privateKey.export({ type: "pkcs8", format: "der" });
  const spki = pair.publicKey.export({ type: "spki", format: "der" });
  return {
    privateKey: await subtle.importKey("pkcs8", new Uint8Array(pkcs8), kind, true, ["sign"]),
    publicKey: await subtle.importKey("spki", new Uint8Array(spki), kind, true, ["verify"]),
  };
}

function issued(certificate: x509.X509Certificate, pair: KeyPair): Issued {
  const key = pair.privateKey;
  const format = "pem";
  return {
    certPem: `${certificate.toString("pem")}\n`,
    keyPem: key.export({ type: "pkcs8", format }).toString(),
    traditionalKeyPem: traditional(key),
    encryptedKeyPem: key
      .export({ type: "pkcs8", format, cipher: "aes-256-cbc", passphrase: "secret" })
      .toString(),
  };
}

function traditional(key: KeyObject): string {
  const type = key.asymmetricKeyType === "rsa" ? "pkcs1" : "sec1";
  return key.export({ type, format: "pem" }).toString();
}

function inDays(days: number): Date {
  return new Date(Date.now() + days * DAY_MS);
}

function serial(): string {
  return crypto
    .randomUUID()
    .replaceAll("-", "")
    .slice(0, 16)
    .replace(/^[89a-f]/, "1");
}
