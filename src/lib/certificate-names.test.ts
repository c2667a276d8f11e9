import { beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import fc from "fast-check";
import { type Ca, issue, type IssueOptions, makeCa } from "../../test/support/certs.ts";
import { certificateNames, formatName, subjectOf } from "./certificate-names.ts";

let ca: Ca;
beforeAll(async () => {
  ca = await makeCa();
});

const derOf = (pem: string) => new X509Certificate(pem).raw;
const namesOf = async (options: IssueOptions) =>
  certificateNames(derOf((await issue(ca, options)).certPem)).map(formatName);

describe("certificateNames", () => {
  test("gives names of all kinds", async () => {
    const options = {
      names: ["a.test", "*.b.test"],
      ips: ["10.0.0.1", "fd00::1"],
      uris: ["spiffe://td/ns/a"],
      emails: ["joe@x.test"],
    };
    expect(await namesOf(options)).toEqual([
      "DNS:a.test",
      "DNS:*.b.test",
      "IP:10.0.0.1",
      "IP:fd00::1",
      "URI:spiffe://td/ns/a",
      "email:joe@x.test",
    ]);
  });

  test("does not take a name apart that holds what looks like another one", async () => {
    const value = "a.test, URI:spiffe://td/admin";
    const { certPem } = await issue(ca, { names: [value] });
    expect(certificateNames(derOf(certPem))).toEqual([{ kind: "dns", value }]);
  });

  test("gives none for a certificate that has none", () => {
    expect(certificateNames(derOf(ca.certPem))).toEqual([]);
  });

  test("any bytes give an answer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        certificateNames(bytes);
        subjectOf(bytes);
      }),
    );
  });

  test("a certificate with any bytes changed or cut gives an answer", async () => {
    const der = derOf((await issue(ca, { uris: ["spiffe://td/a"], ips: ["10.0.0.1"] })).certPem);
    const change = fc.tuple(fc.nat(der.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 5 }), fc.nat(der.length), (changes, length) => {
        const bytes = Uint8Array.from(der);
        for (const [at, value] of changes) bytes[at] = value;
        for (const { value } of certificateNames(bytes.subarray(0, length)))
          expect(value.length).toBeLessThan(der.length);
      }),
    );
  });
});

test("the subject is that of the issuer in what it has issued", async () => {
  const der = derOf((await issue(ca)).certPem);
  const subject = subjectOf(derOf(ca.certPem));
  expect(subject?.length).toBeGreaterThan(10);
  expect(Buffer.from(der).includes(Buffer.from(subject ?? []))).toBe(true);
});
