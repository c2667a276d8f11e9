import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sessionGroup } from "./tls-agreement.ts";

// That sockets tell all this, on both sides, is tested in test/integration/tls-visibility.test.ts.
describe("sessionGroup", () => {
  /** Sessions as Bun 1.4.5 has given them on accepted sockets, their secrets overwritten. */
  const master = "00".repeat(48);
  const tls12 = (group: string) =>
    `307b020101020203030402c02b04000430${master}a10602046b02e840a20402021c20a4220420${"00".repeat(32)}b1030101ffb203${group}`;
  const tls13 =
    `306f020101020203040402130104000420${"00".repeat(32)}a10602046b02e840a205020302a300` +
    `a4220420${"00".repeat(32)}b204020211ecb9050203093a80`;

  for (const [what, hex, group] of [
    ["X25519 of TLS 1.2", tls12("02011d"), "X25519"],
    ["P-256 of TLS 1.2", tls12("020117"), "P-256"],
    ["the hybrid of TLS 1.3", tls13, "X25519MLKEM768"],
    ["one without a name", tls12("02011e"), "0x1e"],
  ] as const) {
    test(`reads ${what}`, () => {
      expect(sessionGroup(Buffer.from(hex, "hex"))).toBe(group);
    });
  }

  test("takes any bytes, and a session that is cut short", () => {
    const whole = Buffer.from(tls13, "hex");
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(whole.length - 1), (bytes, at) => {
        sessionGroup(bytes);
        expect(sessionGroup(whole.subarray(0, at))).toBeUndefined();
      }),
    );
  });
});
