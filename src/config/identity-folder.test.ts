import { expect, test } from "bun:test";
import fc from "fast-check";
import { layoutOf } from "./identity-folder.ts";

for (const [what, names, pairs, alone] of [
  ["kubernetes.io/tls", ["ca.crt", "tls.crt", "tls.key"], [["tls.crt", "tls.key"]], ["ca.crt"]],
  ["crt and key", ["a.b.crt", "a.b.key"], [["a.b.crt", "a.b.key"]], []],
  ["pem and key", ["a.key", "a.pem"], [["a.pem", "a.key"]], []],
  ["mkcert and cfssl", ["web-key.pem", "web.pem"], [["web.pem", "web-key.pem"]], []],
  [
    "certbot",
    ["README", "cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"],
    [["fullchain.pem", "privkey.pem"]],
    [],
  ],
  ["one file with both", ["web.pem"], [], ["web.pem"]],
  ["a key alone", ["web.key"], [[undefined, "web.key"]], []],
] as const) {
  test(`layoutOf() knows ${what}`, () => {
    const layout = layoutOf(names);
    expect(layout.pairs.map(({ certs, key }) => [certs, key])).toEqual(pairs as never);
    expect(layout.alone).toEqual(alone as never);
    expect(layout.others).toEqual([]);
  });
}

test("layoutOf() passes over what is hidden or beside the matter, and names the rest", () => {
  expect(layoutOf(["..data", ".x.pem", "a.csr", "README.md", "x.pem~", "web.p12"])).toEqual({
    pairs: [],
    alone: [],
    others: ["web.p12"],
  });
});

test("layoutOf() gives each file one place", () => {
  const name = fc.stringMatching(/^[a-c](-key)?\.(pem|crt|key|cer|txt)$/);
  fc.assert(
    fc.property(fc.uniqueArray(name), (names) => {
      const { pairs, alone, others } = layoutOf(names);
      const placed = [...pairs.flatMap(({ certs, key }) => [certs, key]), ...alone, ...others];
      const given = placed.filter((one) => one !== undefined);
      expect(new Set(given).size).toBe(given.length);
      expect(given.toSorted()).toEqual(names.filter((one) => !one.endsWith(".txt")).toSorted());
    }),
  );
});
