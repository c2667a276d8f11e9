import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { issue, makeCa } from "../../test/support/certs.ts";
import { readCertificates } from "./pem.ts";
import { readPrivateKey } from "./pem-key.ts";

const ca = await makeCa();
const ec = await issue(ca, { names: ["web.example.com"] });
const rsa = await issue(ca, { algorithm: "rsa" });

const DER = Buffer.from(ec.certPem.replace(/-----.*-----|\n/g, ""), "base64").toString("utf8");

describe("readCertificates()", () => {
  test("reads all of a file in their order, whatever stands between them", () => {
    const result = readCertificates(
      `subject=web\r\n${ec.certPem}${ec.keyPem}\nnote\n${ca.certPem}`,
    );
    const subjects = result.ok ? result.value.map(({ subject }) => subject) : [];
    expect(subjects).toEqual(["CN=web.example.com", "CN=Test CA"]);
  });

  test.each([
    ["", "it is empty"],
    ["  \n", "it is empty"],
    ["hello", "it is not a PEM file"],
    [DER, "it is not a PEM file but looks like DER"],
    [ec.keyPem, "it holds no certificate, only a private key"],
    ["-----BEGIN CRL-----\nAAAA\n-----END CRL-----", "it holds no certificate"],
    [
      `${ec.certPem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`,
      "certificate 2 in it cannot be read",
    ],
  ])("refuses what is none %#", (text, problem) =>
    expect(readCertificates(text)).toEqual({ ok: false, problem }),
  );
});

describe("readPrivateKey()", () => {
  test.each([
    ["an EC key as PKCS#8", ec.keyPem, "ec"],
    ["an EC key as SEC1", ec.traditionalKeyPem, "ec"],
    ["an RSA key as PKCS#8", rsa.keyPem, "rsa"],
    ["an RSA key as PKCS#1", rsa.traditionalKeyPem, "rsa"],
  ])("reads %s", (_, text, type) => {
    const result = readPrivateKey(text);
    expect(result.ok ? String(result.value.key.asymmetricKeyType) : result.problem).toBe(type);
  });

  test("passes over the parameters and certificates that stand beside a key", () => {
    const parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    const result = readPrivateKey(`${parameters}${ec.traditionalKeyPem}${ec.certPem}`);
    expect(result.ok).toBe(true);
  });

  const encrypted =
    "the private key in it is encrypted; name the file of its passphrase with passphraseFile";
  const oldEncrypted = rsa.traditionalKeyPem.replace(
    "KEY-----\n",
    "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n",
  );
  test.each([
    ["", "it is empty"],
    ["hello", "it is not a PEM file"],
    [ec.certPem, "it holds no private key"],
    [ec.keyPem + rsa.keyPem, "it holds 2 private keys, one is expected"],
    [ec.encryptedKeyPem, encrypted],
    [oldEncrypted, encrypted],
    [
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
      "the private key in it cannot be read, or is of a type that TLS does not use",
    ],
  ])("refuses what is none %#", (text, problem) =>
    expect(readPrivateKey(text)).toEqual({ ok: false, problem }),
  );

  test("never repeats the text, and never throws", () => {
    const body = fc.base64String({ minLength: 8 });
    fc.assert(
      fc.property(body, (text) => {
        const pem = `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----`;
        const result = readPrivateKey(pem);
        if (!result.ok) expect(result.problem).not.toContain(text);
      }),
    );
  });
});
