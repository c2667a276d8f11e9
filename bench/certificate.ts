// The identity that all proxies show: one self-signed ECDSA P-256 certificate, made anew for each run.
import "reflect-metadata";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { SERVER_NAME } from "./load/dial.ts";

/** Where the identity is. */
export interface Identity {
  /** PEM text of the certificate, for the client to trust. */
  readonly certificate: string;
  readonly certPath: string;
  readonly keyPath: string;
  /** Certificate and key in one file, as HAProxy wants it. */
  readonly bothPath: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

/** Makes an identity and writes it below `dir`. */
export async function makeIdentity(dir: string): Promise<Identity> {
  const keys = (await crypto.subtle.generateKey(ALGORITHM, true, [
    "sign",
    "verify",
  ])) as CryptoKeyPair;
  const made = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${SERVER_NAME}`,
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    extensions: [
      new SubjectAlternativeNameExtension([{ type: "dns", value: SERVER_NAME }]),
      new BasicConstraintsExtension(true, undefined, true),
    ],
  });
  const certificate = `${made.toString("pem")}\n`;
  const key = await pkcs8(keys.privateKey);
  const identity = {
    certificate,
    certPath: join(dir, "cert.pem"),
    keyPath: join(dir, "key.pem"),
    bothPath: join(dir, "both.pem"),
  };
  await Bun.write(identity.certPath, certificate);
  await Bun.write(identity.keyPath, key);
  await Bun.write(identity.bothPath, certificate + key);
  return identity;
}

async function pkcs8(key: CryptoKey): Promise<string> {
  const bytes = Buffer.from(await crypto.subtle.exportKey("pkcs8", key));
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----", ""].join("\n");
}
