import { expect, test } from "bun:test";
import { configFrom } from "../../test/support/config-text.ts";
import { issue, makeCa } from "../../test/support/certs.ts";
import { fingerprintOf, settingsHash } from "./fingerprint.ts";
import { materialOf, mergeMaterial, withoutMaterial } from "./merge-material.ts";

const ca = await makeCa();
const [one, two] = [await issue(ca), await issue(ca)];

const text = (rest: object = {}): string =>
  JSON.stringify({
    namers: [
      { kind: "io.l5d.rewrite", prefix: "/r", pattern: "/a", name: "/b" },
      { kind: "io.l5d.consul", tls: { trustCertsBundle: "ca.pem" } },
    ],
    routers: [
      {
        label: "a",
        dtab: "/svc => /#/io.l5d.consul",
        servers: [
          {
            port: 1,
            dstName: "/svc/a",
            tls: { defaultIdentity: { certs: ["web.pem"], privateKey: "web.key" } },
          },
          { port: 2, dstName: "/svc/b" },
        ],
        client: {
          kind: "io.l5d.static",
          configs: [
            { prefix: "/svc/a", tls: { dnsName: "a", trustCerts: ["ca.pem"] } },
            {
              prefix: "/svc/b",
              maxWaiters: 3,
              healthCheck: { kind: "tls", tls: { dnsName: "b", trustCerts: ["ca.pem"] } },
            },
          ],
        },
        ...rest,
      },
    ],
  });

const withFiles = (issued: typeof one, rest: object = {}) =>
  configFrom(text(rest), {
    "/etc/l5d/web.pem": issued.certPem,
    "/etc/l5d/web.key": issued.keyPem,
    "/etc/l5d/ca.pem": issued.certPem,
  });

test("mergeMaterial() takes everything that comes from PEM files, and nothing else", () => {
  const before = withFiles(one);
  const after = withFiles(two);
  expect(mergeMaterial(before, after)).toEqual(after);
  expect(mergeMaterial(before, before)).toEqual(before);
  expect(mergeMaterial({ ...before, workers: 7 }, after)).toEqual({ ...after, workers: 7 });
  expect(withoutMaterial(after)).toEqual(withoutMaterial(before));
  expect(materialOf(after)).not.toEqual(materialOf(before));
  expect(JSON.stringify(withoutMaterial(after))).not.toContain("BEGIN");
});

test("mergeMaterial() leaves a configuration of another shape as it is", () => {
  const before = withFiles(one);
  expect(mergeMaterial(before, withFiles(two, { label: "b" })).routers).toEqual(before.routers);
  const [router] = mergeMaterial(
    before,
    withFiles(two, { servers: [], client: undefined }),
  ).routers;
  expect(router).toEqual(before.routers[0] as never);
});

test("fingerprintOf() is the same whether files were read with the rest or again", () => {
  const before = withFiles(one);
  const after = withFiles(two);
  expect(fingerprintOf(after, settingsHash(before))).toBe(fingerprintOf(after));
  expect(fingerprintOf(after)).not.toBe(fingerprintOf(before));
  expect(fingerprintOf({ ...before, workers: 7 })).not.toBe(fingerprintOf(before));
});
