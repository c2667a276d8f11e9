import { describe, expect, test } from "bun:test";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { issue, makeCa } from "../../test/support/certs.ts";
import { configFrom, loadConfigText, problemsIn } from "../../test/support/config-text.ts";

const ca = await makeCa();
const web = await issue(ca, { names: ["web.example.com"] });
const other = await issue(ca, { names: ["other.example.com"], algorithm: "rsa" });
const expired = await issue(ca, { names: ["old.example.com"], days: -2 });
const future = await issue(ca, { names: ["new.example.com"], fromDays: 5 });

const FILES = {
  "/etc/l5d/web.pem": web.certPem,
  "/etc/l5d/web.key": web.keyPem,
  "/etc/l5d/web-sec1.key": web.traditionalKeyPem,
  "/etc/l5d/web-encrypted.key": web.encryptedKeyPem,
  "/etc/l5d/other.pem": other.certPem,
  "/etc/l5d/other.key": other.traditionalKeyPem,
  "/etc/l5d/expired.pem": expired.certPem,
  "/etc/l5d/expired.key": expired.keyPem,
  "/etc/l5d/future.pem": future.certPem,
  "/etc/l5d/future.key": future.keyPem,
  "/pki/ca.pem": ca.certPem,
  "/pki/bundle.pem": `${ca.certPem}${expired.certPem}`,
  "/pki/note": "hello",
};

function withServerTls(tls: string): string {
  return `
routers:
- label: a
  interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://namerd:4180"}
  servers:
  - port: 1
    dstName: /svc/a
    tls: ${tls}
`;
}

function withClientTls(tls: string): string {
  return `
routers:
- label: a
  interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://namerd:4180"}
  servers: [{port: 1, dstName: /svc/a}]
  client:
    kind: io.l5d.global
    tls: ${tls}
`;
}

const TLS_LINE = 8;
const AT = "routers[0].servers[0].tls";

describe("tls of a server", () => {
  test("has a chain from all its files, in order, and its key", () => {
    const text = withServerTls(
      "{defaultIdentity: {certs: [web.pem, ../../pki/ca.pem], privateKey: web-sec1.key}}",
    );
    const tls = configFrom(text, FILES).routers[0]?.servers[0]?.tls;
    const chain = tls?.defaultIdentity?.pairs[0]?.certificateChainPem ?? "";
    expect(chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    const leaf = new X509Certificate(chain);
    expect(leaf.subject).toBe("CN=web.example.com");
    const key = createPrivateKey(tls?.defaultIdentity?.pairs[0]?.privateKeyPem ?? "");
    expect(leaf.checkPrivateKey(key)).toBe(true);
    expect(tls).toMatchObject({ alpnProtocols: [], identities: [], handshakeTimeoutMs: 10_000 });
  });

  test("may have identities by name without a default, in one spelling", () => {
    const text = withServerTls(`
      handshakeTimeoutMs: 500
      alpnProtocols: [h2]
      identities:
        Web.Example.com: {certs: [web.pem], privateKey: web.key}
        "*.Example.com.": {certs: [other.pem], privateKey: other.key}`);
    const tls = configFrom(text, FILES).routers[0]?.servers[0]?.tls;
    expect(tls).toMatchObject({
      alpnProtocols: ["h2"],
      defaultIdentity: undefined,
      handshakeTimeoutMs: 500,
      identities: [{ serverName: "web.example.com" }, { serverName: "*.example.com" }],
    });
  });

  test("needs an identity", () => {
    expect(problemsIn(withServerTls("{}"), FILES)).toEqual([
      `l5d.yml:${TLS_LINE}:10: error: ${AT}: TLS needs an identity: give defaultIdentity, identities or directories`,
    ]);
  });

  test.each([
    ["web.pem", "none.key", "privateKey", "none.key: there is no such file"],
    ["none.pem", "web.key", "certs[0]", "none.pem: there is no such file"],
    ["/pki/note", "web.key", "certs[0]", "/pki/note: it is not a PEM file"],
    ["web.pem", "/pki/note", "privateKey", "/pki/note: it is not a PEM file"],
    ["web.key", "web.key", "certs[0]", "web.key: it holds no certificate, only a private key"],
    ["web.pem", "web.pem", "privateKey", "web.pem: it holds no private key"],
    [
      "web.pem",
      "web-encrypted.key",
      "privateKey",
      "web-encrypted.key: the private key in it is encrypted; name the file of its passphrase with passphraseFile",
    ],
    [
      "web.pem",
      "other.key",
      "privateKey",
      "other.key: it does not belong to the certificate in web.pem",
    ],
    [
      "other.pem, web.pem",
      "web.key",
      "privateKey",
      "web.key: it belongs to a later certificate of the chain, but the first must be the server's own",
    ],
  ])("with certs %s and key %s is a problem of %s", (certs, key, at, message) => {
    const identity = `{certs: [${certs}], privateKey: ${key}}`;
    const problems = problemsIn(withServerTls(`{defaultIdentity: ${identity}}`), FILES);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toStartWith(`l5d.yml:${TLS_LINE}:`);
    expect(problems[0]).toEndWith(`: error: ${AT}.defaultIdentity.${at}: ${message}`);
  });

  test("warns of certificates that are out of date, and is used all the same", () => {
    const day = (days: number): string =>
      new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
    const identities = `
      identities:
        old.example.com: {certs: [expired.pem], privateKey: expired.key}
        new.example.com: {certs: [future.pem], privateKey: future.key}`;
    expect(problemsIn(withServerTls(identities), FILES)).toEqual([
      `l5d.yml:10:35: warning: ${AT}.identities["old.example.com"].certs[0]: expired.pem: the certificate of CN=old.example.com expired on ${day(-2)}`,
      `l5d.yml:11:35: warning: ${AT}.identities["new.example.com"].certs[0]: future.pem: the certificate of CN=new.example.com is valid from ${day(5)} only`,
    ]);
  });

  test.each([
    ["*", "expected a host name such as web.example.com or *.example.com"],
    ["w*.example.com", "expected a host name such as web.example.com or *.example.com"],
    ["a b", "expected a host name such as web.example.com or *.example.com"],
    ["::1", "expected a host name such as web.example.com or *.example.com"],
  ])("refuses the name %p", (name, message) => {
    const text = withServerTls(
      `{identities: {"${name}": {certs: [web.pem], privateKey: web.key}}}`,
    );
    expect(problemsIn(text, FILES)).toEqual([
      `l5d.yml:${TLS_LINE}:24: error: ${AT}.identities["${name}"]: ${message}`,
    ]);
  });

  test("refuses one name in two spellings", () => {
    const identity = "{certs: [web.pem], privateKey: web.key}";
    const text = withServerTls(
      `{identities: {web.example.com: ${identity}, Web.example.com: ${identity}}}`,
    );
    expect(problemsIn(text, FILES)[0]).toEndWith(
      'identities["Web.example.com"]: this name is there twice; case and a dot at the end do not count',
    );
  });
});

describe("tls of clients", () => {
  test("is refused when the system's roots are to be trusted and cannot be used", () => {
    const environment = { SSL_CERT_FILE: "/pki/roots.pem" };
    const load = (pem: string) =>
      loadConfigText(withClientTls("{dnsName: a}"), { "/pki/roots.pem": pem }, environment);
    const result = load("no certificate");
    expect(result.ok ? [] : result.problems.map(({ message }) => message)).toEqual([
      "the system's authorities are to be trusted, and /pki/roots.pem cannot be used: it is not a PEM file; name others with trustCerts",
    ]);
    expect(load(FILES["/pki/ca.pem"] ?? "").ok).toBe(true);
  });

  test("trusts the system's roots without trustCerts", () => {
    const [rule] = configFrom(withClientTls("{dnsName: Web.Example.com}")).routers[0]?.client ?? [];
    expect(rule?.tls).toEqual({ dnsName: "web.example.com", trustPem: undefined });
  });

  test("trusts every certificate of every file", () => {
    const text = withClientTls("{dnsName: a, trustCerts: [/pki/ca.pem, /pki/bundle.pem]}");
    const [rule] = configFrom(text, FILES).routers[0]?.client ?? [];
    expect(rule?.tls?.trustPem).toHaveLength(3);
    expect(problemsIn(text, FILES)).toEqual([]);
  });

  test("is warned of only where everything in a file has expired", () => {
    const text = withClientTls("{dnsName: a, trustCerts: [expired.pem]}");
    expect(problemsIn(text, FILES).join()).toContain("old.example.com expired on");
  });

  test("is a problem when a file cannot be read", () => {
    const text = withClientTls("{dnsName: a, trustCerts: [/pki/ca.pem, none.pem]}");
    expect(problemsIn(text, FILES)).toEqual([
      "l5d.yml:8:49: error: routers[0].client.tls.trustCerts[1]: none.pem: there is no such file",
    ]);
  });
});
