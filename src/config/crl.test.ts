import { describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { issue, makeCa } from "../../test/support/certs.ts";
import { makeCrl } from "../../test/support/tls/crl.ts";
import { has, run } from "../../test/support/tls/tools.ts";
import { type Crl, readCrls } from "./crl.ts";

const ca = await makeCa("One");
const other = await makeCa("Two");
const namesake = await makeCa("One");
const revoked = await issue(ca);
const pem = await makeCrl(ca, [revoked], { days: 10 });
const certificate = ({ certPem }: { readonly certPem: string }) => new X509Certificate(certPem);

function only(text: string): Crl {
  const read = readCrls(text);
  const [first] = read.ok ? read.value : [];
  if (first === undefined) throw new Error("there is no list");
  return first;
}

describe("readCrls", () => {
  test("tells when there should be a newer list", () => {
    const days = ((only(pem).nextUpdateMs ?? 0) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(9.9);
    expect(days).toBeLessThanOrEqual(10);
  });

  test("tells whose list it is, and who has signed it", () => {
    expect(only(pem).isNamedAfter(certificate(ca))).toBe(true);
    expect(only(pem).isNamedAfter(certificate(other))).toBe(false);
    expect(only(pem).isNamedAfter(certificate(namesake))).toBe(true);
    expect(only(pem).isSignedBy(certificate(ca))).toBe(true);
    expect(only(pem).isSignedBy(certificate(namesake))).toBe(false);
  });

  test("reads several of one file, among other blocks", async () => {
    const text = `# lists\n${pem}${ca.certPem}${await makeCrl(other, [])}`;
    const read = readCrls(text);
    expect(read.ok && read.value.length).toBe(2);
    expect(read.ok && read.value.every((crl) => text.includes(crl.pem.trim()))).toBe(true);
  });

  test.skipIf(!has("openssl"))("hands on what OpenSSL reads, too", async () => {
    const { stdout } = await run(["openssl", "crl", "-noout", "-issuer"], { stdin: only(pem).pem });
    expect(stdout).toContain("CN = One");
  });

  for (const [what, text, problem] of [
    ["empty", "", "it is empty"],
    [
      "of other things",
      ca.certPem,
      "it holds no list of revoked certificates (-----BEGIN X509 CRL-----)",
    ],
    [
      "of nonsense",
      "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
      "list 1 in it cannot be read",
    ],
    [
      "that is DER",
      "0\u0082\u0001\u0002",
      "it is not a PEM file but looks like DER; make one with: openssl crl -inform DER -in … -out …",
    ],
  ] as const) {
    test(`says what is wrong with a file ${what}`, () => {
      expect(readCrls(text)).toEqual({ ok: false, problem });
    });
  }

  const der = Buffer.from(pem.replace(/-----[^-]*-----/g, ""), "base64");
  const asPem = (bytes: Uint8Array) =>
    `-----BEGIN X509 CRL-----\n${Buffer.from(bytes).toString("base64")}\n-----END X509 CRL-----\n`;

  test("any bytes give an answer", () => {
    const authority = certificate(ca);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const read = readCrls(asPem(bytes));
        if (read.ok) read.value[0]?.isSignedBy(authority);
      }),
    );
  });

  test("a list with any bytes changed is not taken for one that its authority has signed", () => {
    const authority = certificate(ca);
    const change = fc.tuple(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 1 }), (changes) => {
        const bytes = Uint8Array.from(der);
        for (const [at, value] of changes) bytes[at] = (bytes[at] ?? 0) ^ value;
        const read = readCrls(asPem(bytes));
        const crl = read.ok ? read.value[0] : undefined;
        crl?.isNamedAfter(authority);
        expect(crl?.isSignedBy(authority)).not.toBe(true);
      }),
    );
  });
});
