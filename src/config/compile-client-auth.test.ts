import { describe, expect, test } from "bun:test";
import { issue, makeCa } from "../../test/support/certs.ts";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";
import { makeCrl } from "../../test/support/tls/crl.ts";
import { makeIntermediate } from "../../test/support/tls/intermediate.ts";
import { clientFor } from "./client-for.ts";

const ca = await makeCa("One");
const namesake = await makeCa("One");
const other = await makeCa("Two");
const below = await makeIntermediate(ca, "Below");
const web = await issue(ca, { names: ["web.test"] });

const FILES = {
  "/etc/l5d/web.pem": web.certPem,
  "/etc/l5d/web.key": web.keyPem,
  "/etc/l5d/ca.pem": ca.certPem,
  "/etc/l5d/other.pem": other.certPem,
  "/etc/l5d/below.pem": below.certPem,
  "/etc/l5d/one.crl": await makeCrl(ca, []),
  "/etc/l5d/two.crl": await makeCrl(other, []),
  "/etc/l5d/below.crl": await makeCrl(below, []),
  "/etc/l5d/old.crl": await makeCrl(ca, [], { days: -3 }),
  "/etc/l5d/forged.crl": await makeCrl(ca, [], { signer: namesake }),
};
const IDENTITY = "certs: [web.pem], privateKey: web.key";

const file = (tls: string, client = ""): string => `
routers:
- label: a
  interpreter: {kind: io.l5d.namerd.http, baseUrl: "http://namerd:4180"}
  servers:
  - {port: 1, dstName: /svc/web, tls: {defaultIdentity: {${IDENTITY}}, ${tls}}}
  ${client}
`;

const serverTls = (tls: string) => configFrom(file(tls), FILES).routers[0]?.servers[0]?.tls;
/** What stands behind `routers[0].…: ` of each problem. */
const complaints = (text: string) =>
  problemsIn(text, FILES).map((line) => line.replace(/^.*?(error|warning): routers\[0\]\./, ""));
const aboutTls = (tls: string) =>
  complaints(file(tls)).map((line) => line.replace("servers[0].tls.", ""));

describe("clientAuth of a server", () => {
  test("has its authorities, lists and rules", () => {
    const tls = serverTls(
      "requireClientAuth: true, clientAuth: {trustCerts: [ca.pem], crls: [one.crl], allow: ['spiffe://td/**']}",
    );
    expect(tls?.clientAuth).toMatchObject({ required: true, allow: ["spiffe://td/**"] });
    expect(tls?.clientAuth?.trustPem[0]?.trim()).toBe(ca.certPem.trim());
    expect(tls?.clientAuth?.crlPem[0]).toContain("BEGIN X509 CRL");
  });

  test("is not needed, and then nothing is asked", () => {
    expect(serverTls("alpnProtocols: []")?.clientAuth).toBeUndefined();
  });

  test("asks without needing a certificate, unless that is required", () => {
    const tls = serverTls("clientAuth: {trustCerts: [ca.pem]}");
    expect(tls?.clientAuth).toMatchObject({ required: false, crlPem: [], allow: undefined });
  });

  test("can be another one, or none, or only be needed, for an identity", () => {
    const tls = serverTls(`clientAuth: {trustCerts: [ca.pem]}, identities: {
      needs.test: {${IDENTITY}, requireClientAuth: true},
      none.test: {${IDENTITY}, clientAuth: none},
      own.test: {${IDENTITY}, clientAuth: {trustCerts: [other.pem]}},
      same.test: {${IDENTITY}}}`);
    const auth = (name: string) =>
      tls?.identities.find(({ serverName }) => serverName === name)?.clientAuth;
    expect(auth("needs.test")).toMatchObject({
      required: true,
      trustPem: tls?.clientAuth?.trustPem,
    });
    expect(auth("none.test")).toBe("none");
    expect(auth("own.test")).toMatchObject({ required: false });
    expect(auth("same.test")).toBeUndefined();
  });

  for (const [tls, ...problems] of [
    [
      "requireClientAuth: true",
      "requireClientAuth: needs authorities that vouch for clients: give clientAuth.trustCerts (the system's are for servers)",
    ],
    ["clientAuth: {}", "clientAuth.trustCerts: missing: expected a list of at least one PEM file"],
    [
      `identities: {a.test: {${IDENTITY}, requireClientAuth: true}}`,
      'identities["a.test"].requireClientAuth: needs authorities that vouch for clients: give clientAuth.trustCerts (the system\'s are for servers)',
    ],
    [
      `identities: {a.test: {${IDENTITY}, requireClientAuth: true, clientAuth: none}}`,
      'identities["a.test"].requireClientAuth: clientAuth is none, so that no client is asked for what is needed here',
    ],
    [
      "clientAuth: {trustCerts: [ca.pem], allow: [a.test]}",
      "clientAuth.allow: clients without a certificate are served too, whoever is allowed, as requireClientAuth is false",
    ],
    [
      "requireClientAuth: true, clientAuth: {trustCerts: [ca.pem], allow: ['spiffe://td/web-*', 10.0.0.1]}",
      'clientAuth.allow[0]: expected a name such as DNS:web.example.com or spiffe://domain/path, found "spiffe://td/web-*": an asterisk stands for a whole segment, and ** only at the end',
      'clientAuth.allow[1]: expected a name such as DNS:web.example.com or spiffe://domain/path, found "10.0.0.1": write IP:10.0.0.1',
    ],
    [
      "clientAuth: {trustCerts: [ca.pem], crls: [old.crl]}",
      expect.stringMatching(
        /^clientAuth.crls\[0\]: old.crl: the list is out of date since \d{4}-\d\d-\d\d; certificates of its authority are refused until there is a newer one$/,
      ) as unknown as string,
    ],
    [
      "clientAuth: {trustCerts: [ca.pem], crls: [one.crl, two.crl]}",
      "clientAuth.crls[1]: two.crl: the list is of none of the trustCerts, and counts only for one that peers send along",
    ],
    [
      "clientAuth: {trustCerts: [ca.pem, other.pem], crls: [one.crl]}",
      "clientAuth.crls: there is no list of CN=Two: certificates that it vouches for are refused",
    ],
    [
      "clientAuth: {trustCerts: [below.pem], crls: [below.crl]}",
      "clientAuth.crls: CN=Below is no root, and its issuer is not in trustCerts: with crls chains must reach a root, so that its certificates are refused",
    ],
    [
      "clientAuth: {trustCerts: [ca.pem], crls: [forged.crl]}",
      "clientAuth.crls[0]: forged.crl: the list has the name of an authority in trustCerts, which has not signed it",
    ],
    [
      "clientAuth: {trustCerts: [ca.pem], crls: [web.pem]}",
      "clientAuth.crls[0]: web.pem: it holds no list of revoked certificates (-----BEGIN X509 CRL-----)",
    ],
  ] as const) {
    test(`with ${tls} is told of`, () => {
      for (const problem of problems) expect(aboutTls(tls)).toContainEqual(problem);
    });
  }
});

describe("policy", () => {
  test("is TLS 1.2 and 1.3, unless minVersion or the profile say otherwise", () => {
    expect(serverTls("profile: intermediate")?.minVersion).toBeUndefined();
    expect(serverTls("profile: modern")?.minVersion).toBe("1.3");
    expect(serverTls('minVersion: "1.3"')?.minVersion).toBe("1.3");
    expect(serverTls("minVersion: 1.3")?.minVersion).toBe("1.3");
    expect(serverTls("minVersion: 1.2")?.minVersion).toBeUndefined();
  });

  test("cannot be modern and old, nor anything weaker", () => {
    expect(aboutTls("profile: modern, minVersion: 1.2")).toEqual([
      "minVersion: the profile modern is TLS 1.3 alone; leave it out",
    ]);
    expect(aboutTls('minVersion: "1.1"')).toEqual([
      'minVersion: expected "1.2" or "1.3", found "1.1"',
    ]);
    expect(aboutTls("profile: old")).toEqual([
      'profile: expected intermediate or modern, found "old"',
    ]);
  });

  test("refuses clients for their protocols only where that is said, and there are some", () => {
    expect(serverTls("alpnProtocols: [h2]")?.alpnMismatch).toBeUndefined();
    expect(serverTls("alpnProtocols: [h2], alpnMismatch: refuse")?.alpnMismatch).toBe("refuse");
    expect(aboutTls("alpnMismatch: refuse")).toEqual([
      "alpnMismatch: there are no alpnProtocols, so that nobody is refused for theirs",
    ]);
  });
});

describe("tls of a client", () => {
  const withClient = (tls: string, prefix = "/svc") =>
    file(
      "alpnProtocols: []",
      `client: {kind: io.l5d.static, configs: [{prefix: "${prefix}", tls: ${tls}}]}`,
    );
  const at = "client.configs[0].tls";

  test("shows its certificate, offers protocols, and has lists and a version", () => {
    const text = withClient(
      `{dnsName: a.test, trustCerts: [ca.pem], crls: [one.crl], clientAuth: {${IDENTITY}}, alpnProtocols: [h2], profile: modern}`,
    );
    const { tls } = clientFor(configFrom(text, FILES).routers[0]?.client ?? [], "/svc/web");
    expect(tls).toMatchObject({ dnsName: "a.test", alpnProtocols: ["h2"], minVersion: "1.3" });
    expect(tls?.clientAuth?.pairs[0]?.certificateChainPem.trim()).toBe(web.certPem.trim());
    expect(tls?.crlPem).toHaveLength(1);
  });

  test("has lists only beside authorities that it names", () => {
    expect(complaints(withClient("{dnsName: a.test, crls: [one.crl]}"))).toContain(
      `${at}.crls: crls are of authorities that the configuration names: give trustCerts`,
    );
  });

  test("checks its certificate as that of a server", () => {
    const wrong = "{dnsName: a.test, clientAuth: {certs: [ca.pem], privateKey: web.key}}";
    expect(complaints(withClient(wrong))).toContain(
      `${at}.clientAuth.privateKey: web.key: it does not belong to the certificate in ca.pem`,
    );
  });

  test("has names with captures of the prefix", () => {
    const text = withClient(
      "{dnsName: '{name}.{zone}.Example.com', trustCerts: [ca.pem]}",
      "/svc/{name}",
    );
    expect(complaints(text)).toEqual([
      `${at}.dnsName: {zone} is not among the captures of the prefix; those are {name}`,
    ]);
    const free = withClient("{dnsName: '{name}.example.com', trustCerts: [ca.pem]}");
    expect(complaints(free)).toEqual([
      `${at}.dnsName: {name} is not among the captures of the prefix; the prefix captures nothing, such as /svc/{name} would`,
    ]);
  });

  test("is told of a name that captures make, and that is none", () => {
    const text = withClient("{dnsName: '{name}', trustCerts: [ca.pem]}", "/{name}/web");
    expect(problemsIn(text, FILES)).toEqual([]);
    const odd = withClient("{dnsName: '-{name}:', trustCerts: [ca.pem]}", "/{name}/web");
    expect(problemsIn(odd, FILES)).toHaveLength(1);
    const wrong = text.replace("dstName: /svc/web", "dstName: /a$b/web");
    expect(complaints(wrong)).toEqual([
      'client: dnsName is "a$b" for /a$b/web, which is no host name',
    ]);
  });
});
