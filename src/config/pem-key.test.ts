import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { readPrivateKey } from "./pem-key.ts";

const ed25519 = generateKeyPairSync("ed25519").privateKey;
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ec = ecKey("prime256v1");

function ecKey(namedCurve: string): KeyObject {
  return generateKeyPairSync("ec", { namedCurve }).privateKey;
}

function pkcs8(key: KeyObject, passphrase?: string): string {
  const locked = passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase };
  return key.export({ type: "pkcs8", format: "pem", ...locked }).toString();
}

/** As OpenSSL wrote encrypted keys before 1.0: of `openssl ec -aes128`, with the passphrase `secret`. */
const DEK_INFO = `-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,67337734387A636033B7175B6173313B

456q9hfaws/6HhGq6q9M/QfXfLoD2XJK8Ea783PRDyhcmKBC2C4xFXP/n1r3o1Bo
/3AP/NLDNiY3F54fsIg9lNnYgObJMOJvMGD6oOTJXYkllxKiQpcYXenHFUuO68hV
zhdNl6J4ANEJw5y7K4kgMNifzmVxQt3C8jYp7Ko6M4E=
-----END EC PRIVATE KEY-----
`;

const WRONG = "the passphrase does not open the private key in it";

describe("readPrivateKey() with a passphrase", () => {
  test.each([
    ["rsa", pkcs8(rsa, "secret")],
    ["ec", pkcs8(ec, "secret")],
    ["ed25519", pkcs8(ed25519, "secret")],
    ["ec", DEK_INFO],
  ])("opens %s %#", (type, text) => {
    const read = readPrivateKey(text, "secret");
    expect(read).toMatchObject({ ok: true, value: { type, wasEncrypted: true } });
    expect(readPrivateKey(text, "Secret")).toEqual({ ok: false, problem: WRONG });
  });

  test("says that the key was not encrypted", () => {
    expect(readPrivateKey(pkcs8(ec), "secret")).toMatchObject({
      ok: true,
      value: { wasEncrypted: false },
    });
  });

  test("says what to do about a way to encrypt that cannot be read", () => {
    // What `openssl pkcs8 -topk8 -scrypt` has in the place of PBKDF2.
    const pbkdf2 = Buffer.from([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c]);
    const bytes = derOf(pkcs8(ec, "secret"));
    const at = bytes.indexOf(pbkdf2);
    bytes[at + 8] = 0x77;
    expect(readPrivateKey(pemOf(bytes), "secret")).toEqual({
      ok: false,
      problem:
        "the private key in it is encrypted in a way that cannot be read; encrypt it anew with: openssl pkcs8 -topk8",
    });
  });

  test("does not begin what would take minutes", () => {
    const bytes = derOf(pkcs8(ec, "secret"));
    // The rounds, 2048, become 0x7f000000: the length of everything around grows by two.
    const rounds = bytes.indexOf(Buffer.from([0x02, 0x02, 0x08, 0x00]));
    expect(rounds).toBeGreaterThan(0);
    const grown = Buffer.concat([
      bytes.subarray(0, rounds),
      Buffer.from([0x02, 0x04, 0x7f, 0, 0, 0]),
      bytes.subarray(rounds + 4),
    ]);
    for (let at = 0; at < rounds; at += 1) {
      const [tag = 0, length = 0] = grown.subarray(at);
      if (tag !== 0x30 || length === 0) continue;
      if (length === 0x81) grown[at + 2] = (grown[at + 2] ?? 0) + 2;
      else if (length < 0x80 && at + 2 + length > rounds) grown[at + 1] = length + 2;
    }
    const began = performance.now();
    expect(readPrivateKey(pemOf(grown), "secret")).toEqual({
      ok: false,
      problem:
        "the private key in it is encrypted with more than 5000000 rounds; encrypt it anew with: openssl pkcs8 -topk8",
    });
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe("readPrivateKey() of an EC key", () => {
  test.each(["prime256v1", "secp384r1", "secp521r1"])("takes one on %s", (curve) => {
    expect(readPrivateKey(pkcs8(ecKey(curve))).ok).toBe(true);
  });

  test("refuses one on a curve that TLS has no use for", () => {
    expect(readPrivateKey(pkcs8(ecKey("secp224r1")))).toEqual({
      ok: false,
      problem: "TLS cannot use a key on the curve secp224r1; expected P-256, P-384 or P-521",
    });
  });
});

test("readPrivateKey() gives an answer for a damaged key, with a passphrase and without", () => {
  const whole = [pkcs8(ec), pkcs8(rsa), pkcs8(ec, "secret")].map(derOf);
  const damage = fc.record({
    which: fc.nat(whole.length - 1),
    at: fc.nat(400),
    // Without the bytes that say how many rounds there are: a guess below the limit may take a second.
    value: fc.constantFrom(0x00, 0x01, 0x30, 0x7f, 0x80, 0xff),
    cut: fc.nat(400),
    passphrase: fc.constantFrom(undefined, "secret", ""),
  });
  fc.assert(
    fc.property(damage, ({ which, at, value, cut, passphrase }) => {
      const bytes = Buffer.from(whole[which] ?? []);
      if (at < bytes.length) bytes[at] = value;
      const part = bytes.subarray(0, Math.max(1, bytes.length - cut));
      for (const label of ["PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY"]) {
        const read = readPrivateKey(pemOf(part, label), passphrase);
        expect(read).toHaveProperty("ok");
      }
    }),
    { numRuns: 60 },
  );
});

function derOf(pem: string): Buffer<ArrayBuffer> {
  return Buffer.from(pem.replace(/-----[^-]*-----|\s/g, ""), "base64");
}

function pemOf(bytes: Uint8Array, label = "ENCRYPTED PRIVATE KEY"): string {
  return `-----BEGIN ${label}-----\n${Buffer.from(bytes).toString("base64")}\n-----END ${label}-----\n`;
}
