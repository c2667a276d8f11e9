import { isIP } from "node:net";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatIp, parseIp } from "./ip.ts";

const ODD = [
  "",
  ".",
  ":",
  "::",
  ":::",
  "1::",
  "::1",
  "1::2::3",
  "1:2:3:4:5:6:7:8",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7::",
  "::2:3:4:5:6:7:8",
  "1::3:4:5:6:7:8",
  "1:2:3:4::5:6:7:8",
  "::ffff:1.2.3.4",
  "1.2.3.4::",
  "::1.2.3.4:5",
  "1:2:3:4:5:6:1.2.3.4",
  "::1.2.3.256",
  "12345::",
  "g::",
  "1.2.3",
  "1.2.3.4.5",
  "01.2.3.4",
  "256.1.1.1",
  "1.2.3.4 ",
  " 1.2.3.4",
  "0x7f.1",
  "127.1",
  "-1.2.3.4",
  "1..2.3",
  "::%eth0",
  "[::1]",
  ":1::",
  "1:::2",
];

test("parseIp() agrees with Node about what an IP literal is", () => {
  const text = fc.oneof(
    fc.constantFrom(...ODD),
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom(..."0123456789abcfF:.:"), maxLength: 40 }),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (literal) => {
      const family = literal.includes("%") ? 0 : isIP(literal);
      expect([literal, parseIp(literal)?.length]).toEqual([
        literal,
        family === 0 ? undefined : family === 4 ? 4 : 16,
      ]);
    }),
    { numRuns: 3_000 },
  );
});

test("formatIp() spells what parseIp() has read, in one way for each address", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (literal) => {
      const bytes = parseIp(literal) ?? new Uint8Array();
      expect(parseIp(formatIp(bytes))).toEqual(bytes);
    }),
  );
});

for (const [literal, canonical] of [
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["::ffff:1.2.3.4", "::ffff:102:304"],
  ["0:0:0:0:0:0:0:0", "::"],
  ["fe80:0:0:0:0:0:0:0", "fe80::"],
] as const) {
  test(`formatIp() spells ${literal} as ${canonical}`, () => {
    expect(formatIp(parseIp(literal) ?? new Uint8Array())).toBe(canonical);
  });
}
