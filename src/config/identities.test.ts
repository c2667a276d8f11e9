import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { issue, makeCa } from "../../test/support/certs.ts";
import { configFrom, loadConfigText, problemsIn } from "../../test/support/config-text.ts";
import { makeIntermediate } from "../../test/support/tls/intermediate.ts";

const ca = await makeCa();
const middle = await makeIntermediate(ca);
const web = await issue(middle, { names: ["web.test", "*.web.test"] });
const rsa = await issue(ca, { names: ["web.test"], algorithm: "rsa" });
const later = await issue(ca, { names: ["web.test"], days: 90 });
const small = await issue(ca, { names: ["web.test"], algorithm: "rsa", bits: 1024 });
const sha1 = await issue(ca, { names: ["web.test"], hash: "SHA-1" });
const nameless = await issue(ca, { names: [] });
const stray = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

const FILES: Readonly<Record<string, string>> = {
  "/etc/l5d/web.pem": web.certPem,
  "/etc/l5d/chain.pem": web.certPem + middle.certPem + ca.certPem,
  "/etc/l5d/disorder.pem": web.certPem + ca.certPem + middle.certPem,
  "/etc/l5d/foreign.pem": web.certPem + rsa.certPem,
  "/etc/l5d/web.key": web.keyPem,
  "/etc/l5d/web-encrypted.key": web.encryptedKeyPem,
  "/etc/l5d/secret": "secret\n",
  "/etc/l5d/wrong": "Secret",
  "/etc/l5d/two-lines": "secret\nsecret\n",
  "/etc/l5d/rsa.pem": rsa.certPem,
  "/etc/l5d/rsa.key": rsa.traditionalKeyPem,
  "/etc/l5d/later.pem": later.certPem,
  "/etc/l5d/later.key": later.keyPem,
  "/etc/l5d/small.pem": small.certPem,
  "/etc/l5d/small.key": small.keyPem,
  "/etc/l5d/sha1.pem": sha1.certPem,
  "/etc/l5d/sha1.key": sha1.keyPem,
  "/etc/l5d/nameless.pem": nameless.certPem,
  "/etc/l5d/nameless.key": nameless.keyPem,
};

function withTls(tls: unknown): string {
  const server = { port: 1, dstName: "/$/inet/1/2", tls };
  return JSON.stringify({ routers: [{ label: "a", dtab: "/a => /b", servers: [server] }] });
}

const pair = (name: string, rest: object = {}) => ({
  certs: [`${name}.pem`],
  privateKey: `${name}.key`,
  ...rest,
});

/** Problems without their places in the text. */
function problemsOf(tls: unknown, files = FILES): readonly string[] {
  return problemsIn(withTls(tls), files).map((line) =>
    line.replace(/^l5d.yml:\d+:\d+: /, "").replace("routers[0].servers[0].tls.", ""),
  );
}

const tlsOf = (tls: unknown, files = FILES) =>
  configFrom(withTls(tls), files).routers[0]?.servers[0]?.tls;

describe("an identity", () => {
  test("may have a certificate without a subject", async () => {
    const bare = await issue(ca, { names: ["web.test"], subject: "", days: -1 });
    const files = { "/etc/l5d/web.pem": bare.certPem, "/etc/l5d/web.key": bare.keyPem };
    const problems = problemsOf({ defaultIdentity: pair("web") }, files);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("web.pem: the certificate of DNS:web.test expired on");
  });

  test("gives an answer for a certificate that is damaged", () => {
    const der = Buffer.from(web.certPem.replace(/-----[^-]*-----|\s/g, ""), "base64");
    const damage = fc.tuple(fc.nat(der.length - 1), fc.constantFrom(0, 1, 0x30, 0x41, 0x80, 0xff));
    fc.assert(
      fc.property(damage, ([at, value]) => {
        const bytes = Buffer.from(der);
        bytes[at] = value;
        const begin = "-----BEGIN CERTIFICATE-----\n";
        const certPem = `${begin}${bytes.toString("base64")}\n-----END CERTIFICATE-----\n`;
        const files = { ...FILES, "/etc/l5d/web.pem": certPem };
        const tls = withTls({ identities: { "web.test": pair("web") } });
        expect(loadConfigText(tls, files)).toHaveProperty("ok");
      }),
    );
  });

  test("is one pair, or one for each type of key", () => {
    expect(tlsOf({ defaultIdentity: pair("web") })?.defaultIdentity?.pairs).toHaveLength(1);
    const both = tlsOf({ identities: { "web.test": [pair("web"), pair("rsa")] } });
    expect(both?.identities[0]?.identity.pairs).toHaveLength(2);
    expect(problemsOf({ defaultIdentity: [pair("web"), pair("later")] })).toEqual([
      "error: defaultIdentity[1]: the keys of web.pem and later.pem are of one type, ec: a name has one of each",
    ]);
    expect(problemsOf({ defaultIdentity: [] })).toEqual([
      "error: defaultIdentity: expected a list of at least one pair, found an empty list",
    ]);
    expect(problemsOf({ defaultIdentity: [{ certs: ["web.pem"] }] })).toEqual([
      "error: defaultIdentity[0].privateKey: missing: expected the path of a PEM file",
    ]);
    expect(problemsOf({ defaultIdentity: "web.pem" })).toEqual([
      'error: defaultIdentity: expected an object with certs and privateKey, or a list of such, one for each type of key, found "web.pem"',
    ]);
  });

  test.each([
    ["secret", []],
    [
      "wrong",
      [
        "error: defaultIdentity.privateKey: web-encrypted.key: the passphrase does not open the private key in it",
      ],
    ],
    ["none", ["error: defaultIdentity.passphraseFile: none: there is no such file"]],
    [
      "two-lines",
      [
        "error: defaultIdentity.passphraseFile: two-lines: expected a passphrase in one line, and it has several, or is no text",
      ],
    ],
  ])(
    "with an encrypted key is opened by the passphrase in a file: %s",
    (passphraseFile, problems) => {
      const identity = { certs: ["chain.pem"], privateKey: "web-encrypted.key", passphraseFile };
      expect(problemsOf({ defaultIdentity: identity })).toEqual(problems);
    },
  );

  test("is warned of where a passphrase is of no use", () => {
    const identity = { certs: ["chain.pem"], privateKey: "web.key", passphraseFile: "secret" };
    expect(problemsOf({ defaultIdentity: identity })).toEqual([
      "warning: defaultIdentity.passphraseFile: the private key in web.key is not encrypted: the passphrase is of no use",
    ]);
  });

  test("is refused, or warned of, where it is weak", () => {
    expect(problemsOf({ defaultIdentity: pair("small") })).toEqual([
      "error: defaultIdentity.certs[0]: small.pem: the certificate of web.test is weak: its RSA key has 1024 bits, and clients refuse less than 2048",
    ]);
    expect(problemsOf({ defaultIdentity: pair("sha1") })).toEqual([
      "warning: defaultIdentity.certs[0]: sha1.pem: the certificate of web.test is weak: it is signed with ecdsa-with-SHA1, which clients refuse",
    ]);
  });

  test("is warned of where its certificate is for other names, or for none", () => {
    expect(problemsOf({ identities: { "a.web.test": pair("web") } })).toEqual([]);
    expect(problemsOf({ identities: { "*.web.test": pair("web") } })).toEqual([]);
    expect(problemsOf({ identities: { "*.test": pair("web") } })).toEqual([
      'warning: identities["*.test"].certs[0]: web.pem: the certificate is not for *.test: it is for web.test, *.web.test',
    ]);
    expect(problemsOf({ defaultIdentity: pair("nameless") })).toEqual([
      "warning: defaultIdentity.certs[0]: nameless.pem: the certificate has no name that clients look at (subjectAltName)",
    ]);
  });

  test("is warned of where its chain is out of order, or has what does not belong to it", () => {
    const problems = (file: string) =>
      problemsOf({ defaultIdentity: { certs: [file], privateKey: "web.key" } });
    expect(problems("chain.pem")).toEqual([]);
    expect(problems("disorder.pem")).toEqual([
      "warning: defaultIdentity.certs[0]: disorder.pem: the chain is out of order: CN=Test CA must come right after what it has issued",
    ]);
    expect(problems("foreign.pem")).toEqual([
      "warning: defaultIdentity.certs[0]: foreign.pem: CN=web.test is no part of the chain: it has issued nothing in it",
    ]);
  });
});

describe("a directory of identities", () => {
  const AT = "directories[0]";
  const directory = (files: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`/certs/${name}`, text]));
  const problems = (files: Readonly<Record<string, string>>) =>
    problemsOf({ directories: ["/certs"] }, directory(files));
  const identities = (files: Readonly<Record<string, string>>, rest: object = {}) =>
    tlsOf({ directories: ["/certs"], ...rest }, { ...FILES, ...directory(files) })?.identities.map(
      ({ serverName, identity }) => `${serverName} ${identity.pairs.length}`,
    );

  test("gives the names in its certificates, with a pair for each type of key", () => {
    const files = {
      "web.crt": web.certPem,
      "web.key": web.keyPem,
      "old/fullchain.pem": rsa.certPem,
      "old/cert.pem": rsa.certPem,
      "old/privkey.pem": rsa.traditionalKeyPem,
      "ca.crt": ca.certPem,
      "..data/tls.crt": "never read",
    };
    expect(identities(files)).toEqual(["web.test 2", "*.web.test 1"]);
    expect(problems(files)).toEqual([]);
    const named = { identities: { "web.test": pair("later") } };
    expect(identities(files, named)).toEqual(["web.test 1", "*.web.test 1"]);
  });

  test("asks of clients what a wildcard of identities asks, where it is for the name", async () => {
    const own = await issue(ca, { names: ["a.web.test", "a.b.web.test", "*.web.test"] });
    const files = {
      ...FILES,
      "/etc/l5d/ca.pem": ca.certPem,
      "/certs/own.pem": own.certPem + own.keyPem,
    };
    const clientAuth = { trustCerts: ["ca.pem"] };
    const identities = { "*.web.test": pair("web", { requireClientAuth: true, clientAuth }) };
    const found = tlsOf({ identities, directories: ["/certs"] }, files)?.identities ?? [];
    const required = found.map(({ serverName, clientAuth: asked }) => [
      serverName,
      typeof asked === "object" && asked.required,
    ]);
    expect(required).toEqual([
      ["*.web.test", true],
      ["a.web.test", true],
      ["a.b.web.test", false],
    ]);
  });

  test("takes the one that is valid for longer of two with the same name and type of key", () => {
    const files = {
      "a.pem": later.certPem + later.keyPem,
      "b.pem": web.certPem + web.keyPem,
    };
    expect(identities(files)).toEqual(["web.test 1", "*.web.test 1"]);
    expect(problems(files)).toEqual([
      `warning: ${AT}: /certs/b.pem is not used for web.test: /certs/a.pem has a key of the same type and is valid for longer`,
    ]);
  });

  test.each([
    [{}, ": /certs: there is no such directory"],
    [{ "ca.crt": "", "ca.crt~": "" }, '["ca.crt"]: /certs/ca.crt: it is empty'],
    [
      { "a.key": stray },
      '["a.key"]: /certs/a.key: there is no certificate for this key; expected /certs/a.crt or /certs/a.pem',
    ],
    [
      { "a.crt": web.certPem },
      '["a.crt"]: /certs/a.crt: there is no key for the certificate of web.test; expected /certs/a.key or /certs/a-key.pem',
    ],
    [
      { "a.crt": web.certPem, "a.key": stray },
      '["a.crt"]: /certs/a.key: it does not belong to the certificate in /certs/a.crt',
    ],
    [
      { "a.pem": web.certPem + web.encryptedKeyPem },
      '["a.pem"]: /certs/a.pem: the private key in it is encrypted; name the file of its passphrase with passphraseFile',
    ],
  ] as const)("names the file that is wrong %#", (files, problem) => {
    expect(problems(files)).toEqual([`error: ${AT}${problem}`]);
  });

  test("passes over what is no PEM, with a warning, and over certificates without names", () => {
    const files = {
      "a.pem": web.certPem + web.keyPem,
      "b.pem": nameless.certPem + nameless.keyPem,
      "c.p12": "binary",
    };
    expect(problems(files)).toEqual([
      `warning: ${AT}: /certs: ignored, as they do not end in .pem, .crt, .cer or .key: c.p12`,
      `warning: ${AT}: /certs/b.pem: the certificate has no DNS name, so no client is shown it`,
    ]);
  });

  test("gives an answer whatever lies in it", () => {
    const part = fc.constantFrom(
      web.certPem,
      web.keyPem,
      rsa.certPem,
      stray,
      ca.certPem,
      "-----BEGIN CERTIFICATE-----",
      "\0",
      "",
    );
    const text = fc.oneof(
      fc.array(part, { maxLength: 3 }).map((parts) => parts.join("")),
      fc.tuple(part, fc.nat(600)).map(([one, length]) => one.slice(0, length)),
    );
    const name = fc.stringMatching(
      /^([a-b]\/)?(a|b|tls|privkey|fullchain)(-key)?\.(pem|crt|key|txt)$/,
    );
    fc.assert(
      fc.property(fc.dictionary(name, text, { maxKeys: 5 }), (files) => {
        const result = loadConfigText(withTls({ directories: ["/certs"] }), directory(files));
        expect(result).toHaveProperty("ok");
      }),
      { numRuns: 30 },
    );
  });
});
