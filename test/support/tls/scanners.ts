// The scanners that security teams run: testssl.sh and sslscan, and what they have found of a server on this machine.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./tools.ts";

/** A finding of testssl.sh: OK, INFO, LOW, MEDIUM, HIGH, CRITICAL; WARN where a check could not be done. */
export interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** What sslscan has found. */
export interface Scan {
  /** Such as `TLSv1.2`; those of SSL are `SSLv2` and `SSLv3`. */
  readonly versions: readonly string[];
  readonly ciphers: readonly Cipher[];
  /** `x25519`, as sslscan spells them. */
  readonly groups: readonly string[];
  readonly key: { readonly type: string; readonly bits: number };
  /** Bits that an elliptic curve is worth, of the weakest group. */
  readonly weakestGroupBits: number;
  readonly heartbleed: boolean;
  readonly renegotiation: boolean;
  /** Everything it has said, for messages. */
  readonly xml: string;
}

export interface Cipher {
  readonly name: string;
  readonly version: string;
  readonly bits: number;
  /** `strong` or `acceptable` where there is nothing wrong. */
  readonly strength: string;
}

/** testssl.sh with these checks. It asks no DNS and nobody else: `localhost` is verified, 127.0.0.1 is connected to. */
export async function testssl(
  port: number,
  caFile: string,
  checks: readonly string[],
): Promise<readonly Finding[]> {
  const folder = mkdtempSync(join(tmpdir(), "testssl-"));
  const json = join(folder, "findings.json");
  try {
    const { stdout, stderr } = await run([
      ...["testssl", "--warnings", "off", "--color", "0", "--quiet"],
      ...["--ip", "127.0.0.1", "--nodns", "none", "--add-ca", caFile, "--jsonfile", json],
      ...["--connect-timeout", "20", "--openssl-timeout", "20", ...checks, `localhost:${port}`],
    ]);
    const findings = readFindings(json);
    // Its exit code counts what it could not do, and is no measure of the server.
    if (!findings.some(({ id }) => id === "scanTime"))
      throw new Error(`testssl.sh did not come to its end:\n${stdout}\n${stderr}`);
    return findings;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readFindings(path: string): readonly Finding[] {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as readonly Finding[];
  } catch {
    return [];
  }
}

/** sslscan with all its checks. */
export async function sslscan(port: number): Promise<Scan> {
  const { code, stdout, stderr } = await run([
    ...["sslscan", "--no-colour", "--sni-name=localhost", "--xml=-", `127.0.0.1:${port}`],
  ]);
  if (code !== 0) throw new Error(`sslscan ended with ${code}: ${stderr}\n${stdout}`);
  const xml = stdout.slice(stdout.indexOf("<?xml"));
  const groups = elements(xml, "group");
  const key = elements(xml, "pk")[0];
  return {
    versions: elements(xml, "protocol")
      .filter(({ enabled }) => enabled === "1")
      .map(({ type, version }) => `${type === "tls" ? "TLS" : "SSL"}v${version}`),
    ciphers: elements(xml, "cipher").map(
      ({ cipher = "", sslversion = "", bits, strength = "" }) => ({
        name: cipher,
        version: sslversion,
        bits: Number(bits),
        strength,
      }),
    ),
    groups: [...new Set(groups.map(({ name = "" }) => name))],
    key: { type: key?.["type"] ?? "", bits: Number(key?.["bits"]) },
    weakestGroupBits: Math.min(...groups.map(({ bits }) => Number(bits))),
    heartbleed: elements(xml, "heartbleed").some(({ vulnerable }) => vulnerable !== "0"),
    renegotiation: elements(xml, "renegotiation").some(({ supported }) => supported !== "0"),
    xml,
  };
}

/** The attributes of all elements of a name. sslscan escapes nothing in those that are read here. */
function elements(xml: string, name: string): readonly Readonly<Record<string, string>>[] {
  return [...xml.matchAll(new RegExp(`<${name} ([^>]*?)/?>`, "g"))].map(([, attributes = ""]) =>
    Object.fromEntries(
      [...attributes.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
    ),
  );
}
