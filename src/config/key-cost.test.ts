import { expect, test } from "bun:test";
import fc from "fast-check";
import { keyCost } from "./key-cost.ts";

const pem = (bytes: readonly number[]): string =>
  `-----BEGIN ENCRYPTED PRIVATE KEY-----\n${Buffer.from(bytes).toString("base64")}\n-----END ENCRYPTED PRIVATE KEY-----`;

test("keyCost() is the largest number in the head, however deep, and of nothing else", () => {
  const number = [0x02, 0x03, 0x01, 0x00, 0x00];
  const small = [0x02, 0x01, 0x05];
  const head = [0x30, 0x0a, 0x30, 0x05, ...number, ...small];
  const key = [0x02, 0x04, 0x7f, 0xff, 0xff, 0xff];
  expect(keyCost(pem([0x30, head.length + key.length, ...head, ...key]))).toBe(65_536);
  expect(keyCost(pem([0x30, head.length - 4, ...head]))).toBe(0);
  expect(keyCost("hello")).toBe(0);
});

test("keyCost() comes to an end whatever the bytes", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0x30, 0x02, 0x80, 0x84, 0x00, 0x05, 0xff)), (bytes) => {
      expect(keyCost(pem(bytes))).toBeGreaterThanOrEqual(0);
    }),
  );
});
