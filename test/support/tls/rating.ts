// The grade of SSL Labs' rating guide (2009q), as SSL Labs and testssl.sh 3.2 give it: a score of versions, key exchange
// and ciphers, and what caps it. https://github.com/ssllabs/research/wiki/SSL-Server-Rating-Guide
import type { Scan } from "./scanners.ts";

export type Grade = "A" | "B" | "C" | "D" | "E" | "F";

const VERSION_SCORE: Readonly<Record<string, number>> = {
  SSLv2: 0,
  SSLv3: 80,
  "TLSv1.0": 90,
  "TLSv1.1": 95,
  "TLSv1.2": 100,
  "TLSv1.3": 100,
};

/** The grade of what a scan has seen. A+ is out of reach: it asks for HTTP's strict transport security. */
export function grade(scan: Scan): Grade {
  const versions = scan.versions.map((version) => VERSION_SCORE[version] ?? 0);
  const ciphers = scan.ciphers.map(({ bits }) => cipherScore(bits));
  const score =
    0.3 * middle(versions) +
    0.3 * exchangeScore(Math.min(keyStrength(scan), groupStrength(scan.weakestGroupBits))) +
    0.4 * middle(ciphers);
  return worst(letter(score), cap(scan));
}

/** Of the best and the worst. */
function middle(scores: readonly number[]): number {
  return scores.length === 0 ? 0 : (Math.min(...scores) + Math.max(...scores)) / 2;
}

function cipherScore(bits: number): number {
  if (bits >= 256) return 100;
  if (bits >= 128) return 80;
  return bits > 0 ? 20 : 0;
}

/** Of bits that RSA would need for the same. */
function exchangeScore(bits: number): number {
  if (bits >= 4096) return 100;
  if (bits >= 2048) return 90;
  if (bits >= 1024) return 80;
  return bits >= 512 ? 40 : 20;
}

function keyStrength({ key: { type, bits } }: Scan): number {
  return type === "RSA" ? bits : groupStrength(bits / 2);
}

/** NIST SP 800-57 part 1, table 2: bits of security, in those of an RSA key. */
function groupStrength(securityBits: number): number {
  if (securityBits >= 192) return 7680;
  if (securityBits >= 126) return 3072;
  return securityBits >= 112 ? 2048 : 1024;
}

function letter(score: number): Grade {
  if (score >= 80) return "A";
  if (score >= 65) return "B";
  if (score >= 50) return "C";
  if (score >= 35) return "D";
  return score >= 20 ? "E" : "F";
}

function cap({ versions, ciphers, heartbleed, renegotiation }: Scan): Grade {
  const isBroken = heartbleed || renegotiation || versions.includes("SSLv2");
  if (isBroken || ciphers.some(({ bits }) => bits < 112)) return "F";
  if (versions.includes("SSLv3") || !versions.some((name) => /^TLSv1\.[23]$/.test(name)))
    return "C";
  if (versions.some((name) => /^TLSv1\.[01]$/.test(name))) return "B";
  // Without forward secrecy, or authenticated encryption.
  const isModern = ({ name, version }: Scan["ciphers"][number]): boolean =>
    version === "TLSv1.3" || /^(?:EC)?DHE-.*(?:GCM|CHACHA20|CCM)/.test(name);
  return ciphers.every(isModern) ? "A" : "B";
}

function worst(a: Grade, b: Grade): Grade {
  return a > b ? a : b;
}
