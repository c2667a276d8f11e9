// The client's part of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";

/** PostgreSQL's default is 4096, which take 2 ms. The server chooses; many would hold up this thread. */
const MOST_ITERATIONS = 50_000;

type Step =
  | { readonly ok: true; readonly message: string }
  /** As a clause about the server. */
  | { readonly ok: false; readonly problem: string };

interface Keys {
  readonly clientKey: Buffer;
  readonly serverKey: Buffer;
}

/** Keys of one password. Kept, as a server asks with the same salt each time, and they take time to make. */
export class ScramKeys {
  readonly #password: string;
  #known: { readonly of: string; readonly keys: Keys } | undefined;

  constructor(password: string) {
    // Of SASLprep (RFC 4013) only the normalization, which is all that passwords in use need.
    this.#password = password.normalize("NFKC");
  }

  of(salt: Buffer, iterations: number): Keys {
    const of = `${iterations} ${salt.toString("base64")}`;
    if (this.#known?.of === of) return this.#known.keys;
    const salted = pbkdf2Sync(this.#password, salt, iterations, 32, "sha256");
    const keys = { clientKey: hmac(salted, "Client Key"), serverKey: hmac(salted, "Server Key") };
    this.#known = { of, keys };
    return keys;
  }
}

/** One authentication. */
export class ScramClient {
  readonly #keys: ScramKeys;
  readonly #firstBare: string;
  readonly #nonce: string;
  #serverSignature: Buffer | undefined;

  /** `nonce`: printable, without commas, not to be guessed. `user` is empty for PostgreSQL, which knows it already. */
  constructor(keys: ScramKeys, nonce: string, user = "") {
    this.#keys = keys;
    this.#nonce = nonce;
    this.#firstBare = `n=${user.replaceAll("=", "=3D").replaceAll(",", "=2C")},r=${nonce}`;
  }

  first(): string {
    return `n,,${this.#firstBare}`;
  }

  /** Answers the server's first message. */
  proof(serverFirst: string): Step {
    const [, nonce = "", salt = "", count = ""] =
      /^r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=(\d{1,9})(?:,|$)/.exec(serverFirst) ?? [];
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      return { ok: false, problem: "it does not know SCRAM-SHA-256" };
    }
    const iterations = Number(count);
    if (iterations < 1 || iterations > MOST_ITERATIONS) {
      const problem = `it asks for ${iterations} iterations of SCRAM, and at most ${MOST_ITERATIONS} are made`;
      return { ok: false, problem };
    }
    const { clientKey, serverKey } = this.#keys.of(Buffer.from(salt, "base64"), iterations);
    // "biws" is "n,,", the header of the first message.
    const final = `c=biws,r=${nonce}`;
    const exchange = `${this.#firstBare},${serverFirst},${final}`;
    const stored = createHash("sha256").update(clientKey).digest();
    const signature = hmac(stored, exchange);
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
    this.#serverSignature = hmac(serverKey, exchange);
    return { ok: true, message: `${final},p=${Buffer.from(proof).toString("base64")}` };
  }

  /** Whether the server knows the password too, as its last message must show. */
  verify(serverFinal: string): boolean {
    const [, signature = ""] = /^v=([A-Za-z0-9+/=]+)(?:,|$)/.exec(serverFinal) ?? [];
    const given = Buffer.from(signature, "base64");
    const expected = this.#serverSignature;
    return expected?.length === given.length && timingSafeEqual(expected, given);
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
