// An authority and a certificate for each type of key, by OpenSSL, in files of a folder.
import { join } from "node:path";
import { run } from "../support/tls/tools.ts";
import { type Key, KEYS, NAME } from "./cells.ts";

const NEW_KEY: Readonly<Record<Key, readonly string[]>> = {
  "RSA-2048": ["rsa:2048"],
  "ECDSA P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "ECDSA P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
  Ed25519: ["ed25519"],
};

export interface KeyFiles {
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  readonly caFile: string;
  readonly files: Readonly<Record<Key, KeyFiles>>;
}

export async function makeCertificates(folder: string): Promise<Certificates> {
  const ca = filesOf(folder, "ca");
  await request(["-newkey", ...NEW_KEY["ECDSA P-256"], "-subj", "/CN=Interop CA"], ca);
  const entries = KEYS.map(async (key) => {
    const files = filesOf(folder, key.replaceAll(/\W+/g, "-"));
    await request(
      [
        ...["-newkey", ...NEW_KEY[key], "-subj", `/CN=${NAME}`, "-CA", ca.cert, "-CAkey", ca.key],
        ...["-addext", `subjectAltName=DNS:${NAME}`],
        ...["-addext", "basicConstraints=critical,CA:FALSE"],
      ],
      files,
    );
    return [key, files] as const;
  });
  const files = Object.fromEntries(await Promise.all(entries)) as Record<Key, KeyFiles>;
  return { caFile: ca.cert, files };
}

function filesOf(folder: string, name: string): KeyFiles {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

async function request(args: readonly string[], { cert, key }: KeyFiles): Promise<void> {
  const command = [
    "openssl",
    "req",
    "-x509",
    "-nodes",
    "-days",
    "30",
    "-out",
    cert,
    "-keyout",
    key,
  ];
  const { code, stderr } = await run([...command, ...args]);
  if (code !== 0) throw new Error(`openssl req: ${stderr}`);
}
