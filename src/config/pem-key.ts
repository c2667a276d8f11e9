// Private keys from the text of PEM files, encrypted ones included. Messages never hold any of the text.
import { createPrivateKey, type KeyObject } from "node:crypto";
import { keyCost } from "./key-cost.ts";
import { failure, keyBlocks, notPem, type Pem, type PemBlock, pemBlocks } from "./pem.ts";

/** What TLS can sign with here, as a server or a client. */
export type KeyType = "rsa" | "ec" | "ed25519";

/** A key as it stood in its file. */
export interface ReadKey {
  readonly key: KeyObject;
  readonly type: KeyType;
  readonly wasEncrypted: boolean;
}

const KEY_TYPES: readonly KeyType[] = ["rsa", "ec", "ed25519"];
/** What Bun's TLS takes; found by trying (pem-key.test.ts). */
const CURVES: readonly (string | undefined)[] = ["prime256v1", "secp384r1", "secp521r1"];
/** Some 3 s of one core. OpenSSL's own default is 2,048; guides ask for up to 1.3 million. */
const MOST_ROUNDS = 5_000_000;

/**
 * The one private key of a file: PKCS#8, PKCS#1 or EC (SEC1), each of them plain or encrypted with `passphrase`. Other
 * blocks, such as certificates, are passed over.
 */
export function readPrivateKey(text: string, passphrase?: string): Pem<ReadKey> {
  const blocks = pemBlocks(text);
  if (blocks.length === 0) return notPem(text);
  const keys = keyBlocks(blocks);
  const [block] = keys;
  if (block === undefined) return failure("it holds no private key");
  if (keys.length > 1) return failure(`it holds ${keys.length} private keys, one is expected`);
  if (!isEncrypted(block)) return parsed(block, undefined);
  if (passphrase === undefined) {
    return failure(
      "the private key in it is encrypted; name the file of its passphrase with passphraseFile",
    );
  }
  if (keyCost(block.text) > MOST_ROUNDS) {
    return failure(
      `the private key in it is encrypted with more than ${MOST_ROUNDS} rounds; encrypt it anew with: openssl pkcs8 -topk8`,
    );
  }
  return parsed(block, passphrase);
}

function isEncrypted({ label, text }: PemBlock): boolean {
  return label === "ENCRYPTED PRIVATE KEY" || /^Proc-Type:.*ENCRYPTED/m.test(text);
}

function parsed({ text }: PemBlock, passphrase: string | undefined): Pem<ReadKey> {
  const wasEncrypted = passphrase !== undefined;
  try {
    const key = createPrivateKey({ key: text, ...(wasEncrypted && { passphrase }) });
    const type = KEY_TYPES.find((known) => known === key.asymmetricKeyType);
    if (type === undefined)
      return failure(`TLS cannot use a key of the type ${key.asymmetricKeyType}`);
    const curve = key.asymmetricKeyDetails?.namedCurve;
    if (type === "ec" && !CURVES.includes(curve)) {
      return failure(`TLS cannot use a key on the curve ${curve}; expected P-256, P-384 or P-521`);
    }
    return { ok: true, value: { key, type, wasEncrypted } };
  } catch (error) {
    return failure(wasEncrypted ? whyLocked(error) : UNREADABLE);
  }
}

const UNREADABLE = "the private key in it cannot be read, or is of a type that TLS does not use";

/** A wrong passphrase mostly shows as bad padding, and now and then as a key that cannot be parsed. */
function whyLocked(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /UNSUPPORTED|UNKNOWN/.test(code)
    ? "the private key in it is encrypted in a way that cannot be read; encrypt it anew with: openssl pkcs8 -topk8"
    : "the passphrase does not open the private key in it";
}
