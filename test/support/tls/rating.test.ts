import { expect, test } from "bun:test";
import { grade } from "./rating.ts";
import type { Scan } from "./scanners.ts";

const GOOD: Scan = {
  versions: ["TLSv1.2", "TLSv1.3"],
  ciphers: [
    { name: "TLS_AES_256_GCM_SHA384", version: "TLSv1.3", bits: 256, strength: "acceptable" },
    { name: "ECDHE-RSA-AES128-GCM-SHA256", version: "TLSv1.2", bits: 128, strength: "strong" },
  ],
  groups: ["x25519"],
  key: { type: "RSA", bits: 2048 },
  weakestGroupBits: 128,
  heartbleed: false,
  renegotiation: false,
  xml: "",
};
const cipher = (name: string, bits: number): Scan["ciphers"][number] => ({
  name,
  version: "TLSv1.2",
  bits,
  strength: "strong",
});

test("what is recommended is an A", () => {
  expect(grade(GOOD)).toBe("A");
  expect(grade({ ...GOOD, key: { type: "EC", bits: 256 } })).toBe("A");
});

test.each([
  ["B", "TLS 1.0", { versions: ["TLSv1.0", "TLSv1.2"] }],
  ["B", "no forward secrecy", { ciphers: [cipher("AES128-GCM-SHA256", 128)] }],
  ["B", "CBC", { ciphers: [cipher("ECDHE-RSA-AES256-SHA", 256)] }],
  ["C", "nothing newer than TLS 1.1", { versions: ["TLSv1.1"] }],
  ["C", "SSL 3", { versions: ["SSLv3", "TLSv1.2"] }],
  ["F", "a short cipher", { ciphers: [cipher("ECDHE-RSA-DES-CBC-SHA", 56)] }],
  ["F", "renegotiation by clients", { renegotiation: true }],
  ["F", "Heartbleed", { heartbleed: true }],
  ["E", "nothing at all", { versions: [], ciphers: [] }],
] as const)("%s: %s", (expected, _, part) => {
  expect(grade({ ...GOOD, ...(part as Partial<Scan>) })).toBe(expected);
});
