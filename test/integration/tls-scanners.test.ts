// What testssl.sh and sslscan say of both profiles. The checks of testssl.sh that grade; TLSPROOF=full has all that it
// knows, on both kinds of keys. Severities that are let pass are named, with why.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issue, makeCa } from "../support/certs.ts";
import { freePort } from "../support/peers/free-port.ts";
import { Product } from "../support/product.ts";
import { identityFiles, proxyConfig } from "../support/tls/config.ts";
import { helloRecords } from "../support/tls/hello-bytes.ts";
import { listening } from "../support/tls/listening.ts";
import { Peer } from "../support/tls/peer.ts";
import { grade } from "../support/tls/rating.ts";
import { type Finding, sslscan, testssl } from "../support/tls/scanners.ts";
import { has } from "../support/tls/tools.ts";

const FULL = process.env["TLSPROOF"] === "full";
setDefaultTimeout(FULL ? 1_800_000 : 300_000);

const PROFILES = {
  intermediate: { versions: ["TLSv1.2", "TLSv1.3"], checks: ["-p", "-s", "-f", "-S", "-U"] },
  // Of TLS 1.3 alone there is less to ask.
  modern: { versions: ["TLSv1.3"], checks: ["-p", "-f", "-S"] },
} as const;
type Profile = keyof typeof PROFILES;
const KEYS = ["ecdsa", "rsa"] as const;
const ROWS = KEYS.flatMap((key) =>
  (Object.keys(PROFILES) as Profile[]).map((profile) => ({ key, profile })),
);
const SUITES_13 = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
];

/** Severities that say something against a server. WARN: the scanner could not look. */
const BAD = new Set(["LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL", "WARN"]);
/** Findings of the scanner, or of this test's certificate, and not of the server; and one that is wanted. */
const LET_PASS: Readonly<Record<string, string>> = {
  engine_problem: "this machine's OpenSSL has no engine for GOST",
  scanProblem:
    "the client's OpenSSL can't do it by itself: testssl.sh then uses sockets of its own",
  cert_expirationStatus: "the test's certificate is for 90 days, as those of ACME are",
  cert_notAfter: "the same",
  cert_revocation: "the test's authority has no CRL and no OCSP",
  // Mozilla's guideline 5.7 leaves the order to the client in both profiles: each suite is good, and phones without AES in
  // hardware prefer ChaCha20. Later versions of testssl.sh take it for good where all suites are.
  cipher_order: "the client's order is followed, as every suite is strong",
};

const running = new AsyncDisposableStack();
let folder = "";
let product: Product;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tls-scanners-"));
  const endpoint = await running.use(new Peer()).listen();
  await endpoint.echoAll();
  const ca = await makeCa();
  writeFileSync(caFile(), ca.certPem);
  const names = ["localhost"];
  const identities = {
    ecdsa: identityFiles("ecdsa", await issue(ca, { names, days: 90 })),
    rsa: identityFiles("rsa", await issue(ca, { names, days: 90, algorithm: "rsa" })),
  };
  const servers = ROWS.map(({ key, profile }) => ({
    to: [endpoint.address],
    dst: `/svc/${key}/${profile}`,
    tls: { defaultIdentity: identities[key].identity, profile },
  }));
  const files = { ...identities.ecdsa.files, ...identities.rsa.files };
  product = running.use(await Product.start(proxyConfig(servers), { files }));
});

afterAll(async () => {
  await running.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

function caFile(): string {
  return join(folder, "ca.pem");
}

function against(findings: readonly Finding[]): readonly string[] {
  return findings
    .filter(({ severity, id }) => BAD.has(severity) && !(id in LET_PASS))
    .map(({ severity, id, finding }) => `${severity} ${id}: ${finding}`);
}

describe.skipIf(!has("sslscan") || !has("python3"))("sslscan", () => {
  for (const { key, profile } of ROWS) {
    test(`finds nothing below A: ${profile}, ${key}`, async () => {
      const scan = await sslscan(product.port(`/svc/${key}/${profile}`));
      const { versions } = PROFILES[profile];
      expect(scan.versions).toEqual(versions);
      const of = (version: string): readonly string[] =>
        scan.ciphers.filter((cipher) => cipher.version === version).map(({ name }) => name);
      expect(of("TLSv1.3").toSorted()).toEqual(SUITES_13);
      expect(of("TLSv1.2")).toHaveLength(profile === "modern" ? 0 : 3);
      expect(scan.ciphers.map(({ strength }) => strength)).not.toContain("weak");
      expect(scan.ciphers.map(({ strength }) => strength)).not.toContain("medium");
      expect(scan.groups.map((group) => group.split(" ")[0] ?? "").toSorted()).toEqual([
        "secp256r1",
        "secp384r1",
        "x25519",
      ]);
      expect([scan.heartbleed, scan.renegotiation]).toEqual([false, false]);
      expect(grade(scan)).toBe("A");
    });
  }
});

test.skipIf(!has("sslscan") || !has("python3"))(
  "sslscan finds fault with who deserves it",
  async () => {
    const port = freePort();
    const weak = ["-tls1_2", "-cipher", "AES128-SHA:ECDHE-RSA-AES128-SHA:@SECLEVEL=0"];
    const files = [
      "-cert",
      join(product.folder, "rsa-0.pem"),
      "-key",
      join(product.folder, "rsa.key"),
    ];
    const server = Bun.spawn(
      ["openssl", "s_server", "-accept", `${port}`, "-quiet", ...files, ...weak],
      {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      },
    );
    try {
      await listening(port);
      expect(grade(await sslscan(port))).toBe("B");
    } finally {
      server.kill();
    }
  },
);

test.skipIf(!has("python3"))(
  "the alert that refuses a client is not overtaken by a reset",
  async () => {
    await using peer = new Peer();
    const client = await peer.connect(product.port("/svc/ecdsa/modern"));
    await client.sendText(helloRecords({ serverName: "localhost" }).toString("latin1"));
    const { text, end } = await client.receive();
    // A record of an alert, fatal.
    expect(text.slice(0, 1) + text.slice(5, 6)).toBe("\u0015\u0002");
    expect(end).toBe("fin");
    await client.close();
  },
);

describe.skipIf(!has("testssl") || !has("python3"))("testssl.sh", () => {
  for (const { key, profile } of ROWS) {
    if (!FULL && key === "rsa") continue;
    const { versions, checks } = PROFILES[profile];
    test.concurrent(`finds nothing of the severity LOW or worse: ${profile}, ${key}`, async () => {
      const port = product.port(`/svc/${key}/${profile}`);
      // Without a check named it makes all of them.
      const findings = await testssl(port, caFile(), FULL ? [] : checks);
      expect(against(findings)).toEqual([]);
      const found = (id: string): string | undefined =>
        findings.find((finding) => finding.id === id)?.finding;
      expect(found("TLS1_2")).toMatch(versions.length === 2 ? /^offered/ : /^not offered/);
      expect(found("TLS1_3")).toMatch(/^offered/);
      expect(found("cert_chain_of_trust")).toMatch(/passed/);
    });
  }
});
