import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { unmapped } from "./cidr.ts";
import { formatIp, parseIp } from "./ip.ts";
import { maskWords, readIpWords, wordsToBytes } from "./ip-words.ts";

function read(text: string): string | undefined {
  const words = new Uint32Array(4);
  return readIpWords(text, words) === 0 ? undefined : formatIp(wordsToBytes(words));
}

function viaBytes(text: string): string | undefined {
  const bytes = parseIp(text);
  return bytes && formatIp(unmapped(bytes));
}

describe("readIpWords()", () => {
  test("reads what parseIp reads, and nothing else", () => {
    const nearly = fc.string({
      unit: fc.constantFrom(":", ":", "::", ".", "0", "1", "9", "a", "F", "ffff", "255", "g"),
      maxLength: 12,
    });
    const address = fc.oneof(fc.ipV4(), fc.ipV6(), nearly);
    fc.assert(
      fc.property(address, (text) => expect([text, read(text)]).toEqual([text, viaBytes(text)])),
      { numRuns: 5_000 },
    );
  });

  test.each([
    ["::ffff:1.2.3.4", "1.2.3.4", 4],
    ["::ffff:102:304", "1.2.3.4", 4],
    ["255.255.255.255", "255.255.255.255", 4],
    ["::", "::", 6],
    ["fe80::1%eth0", "fe80::1", 6],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", 6],
    ["::1.2.3.4", "::102:304", 6],
  ] as const)("reads %p", (text, expected, family) => {
    const words = new Uint32Array(4);
    expect(readIpWords(text, words)).toBe(family);
    expect(formatIp(wordsToBytes(words))).toBe(expected);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.04",
    "1:2",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
    "1:",
    ":1",
  ])("refuses %p", (text) => expect(read(text)).toBeUndefined());
});

test("maskWords() keeps the first bits", () => {
  const masked = (text: string, length: number): string => {
    const words = new Uint32Array(4);
    readIpWords(text, words);
    maskWords(words, length);
    return formatIp(wordsToBytes(words));
  };
  expect(masked("10.1.2.255", 96 + 24)).toBe("10.1.2.0");
  expect(masked("255.255.255.255", 96 + 1)).toBe("128.0.0.0");
  expect(masked("2001:db8:ffff:ffff:ffff::1", 64)).toBe("2001:db8:ffff:ffff::");
  expect(masked("2001:db8:ffff:ffff:ffff::1", 128)).toBe("2001:db8:ffff:ffff:ffff::1");
  expect(masked("2001:db8::1", 0)).toBe("::");
});
