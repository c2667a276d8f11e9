import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { issue, makeCa } from "../../test/support/certs.ts";
import { dnsNames, isNamed } from "./certificate-checks.ts";

test("dnsNames() are those of the certificate, not what one of them looks like in a list", async () => {
  const names = ["web.test", "x.test, DNS:admin.test, DNS:y.test", "*.Apps.test."];
  const { certPem } = await issue(await makeCa(), { names });
  expect(dnsNames(new X509Certificate(certPem))).toEqual(["web.test", "*.apps.test"]);
});

test("isNamed() is for names and addresses that clients look at", async () => {
  const ca = await makeCa();
  const named = async (options: Parameters<typeof issue>[1]): Promise<boolean> =>
    isNamed(new X509Certificate((await issue(ca, options)).certPem));
  expect(await named({ names: ["web.test"] })).toBe(true);
  expect(await named({ names: [], ips: ["192.0.2.1"], subject: "CN=web" })).toBe(true);
  expect(await named({ names: [], uris: ["spiffe://td/DNS:web.test"], subject: "CN=web" })).toBe(
    false,
  );
});
