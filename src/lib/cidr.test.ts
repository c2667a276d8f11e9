import { BlockList, isIP } from "node:net";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatCidr, inAnyCidr, parseCidr } from "./cidr.ts";

const printed = (text: string): string | undefined => {
  const cidr = parseCidr(text);
  return cidr && formatCidr(cidr);
};
const isIn = (block: string, ip: string): boolean => {
  const cidr = parseCidr(block);
  return cidr !== undefined && inAnyCidr([cidr], ip);
};

describe("parseCidr", () => {
  test.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["10.1.2.3/31", "10.1.2.2/31"],
    ["10.1.2.3", "10.1.2.3/32"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["::/0", "::/0"],
    ["fd00::1/8", "fd00::/8"],
    ["FD00::1", "fd00::1/128"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
    ["::ffff:10.1.2.3", "10.1.2.3/32"],
    ["::ffff:0:0/96", "0.0.0.0/0"],
    ["::ffff:10.0.0.0/95", "::fffe:0:0/95"],
    ["::ffff:10.0.0.0/8", "::/8"],
  ])("reads %s as %s", (text, expected) => expect(printed(text)).toBe(expected));

  test.each([
    ...["", "/", "/8", "10/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "::/129"],
    ...["10.0.0.0/8/8", "10.0.0.0/8 ", " 10.0.0.0/8", "fe80::1%eth0/64", "[::]/0", "web.local/8"],
    "10.0.0.0/255.0.0.0",
  ])("refuses %p", (text) => expect(parseCidr(text)).toBeUndefined());

  test("answers a block or nothing for any text, and a printed block is read as the same", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./]{0,40}$/)), (text) => {
        const once = printed(text);
        if (once !== undefined) expect(printed(once)).toBe(once);
      }),
    );
  });
});

describe("inAnyCidr", () => {
  test.each([
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.0.0.0/8", "::ffff:10.1.1.1", true],
    ["::ffff:10.0.0.0/104", "10.1.1.1", true],
    ["192.168.1.64/26", "192.168.1.127", true],
    ["192.168.1.64/26", "192.168.1.128", false],
    ["0.0.0.0/0", "1.2.3.4", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["::/0", "2001:db8::1", true],
    ["::/0", "1.2.3.4", false],
    ["::/0", "::ffff:1.2.3.4", false],
    ["fd00::/8", "fdff::1", true],
    ["fd00::/8", "fe00::1", false],
    ["::1", "::1", true],
    ["::1", "::2", false],
    ["10.0.0.0/8", "no address", false],
  ])("%s holds %s: %p", (block, ip, expected) => expect(isIn(block, ip)).toBe(expected));

  test("is in no block of an empty list", () => expect(inAnyCidr([], "10.0.0.1")).toBe(false));

  test("agrees with Node's BlockList within a family", () => {
    const v4 = fc.ipV4();
    const v6 = fc.ipV6().filter((ip) => isIP(ip) === 6 && !/^[0:]*ffff:/i.test(ip));
    const near = (ip: fc.Arbitrary<string>, most: number) =>
      fc.tuple(ip, ip, fc.integer({ min: 0, max: most }), fc.boolean());
    const pairs = fc.oneof(near(v4, 32), near(v6, 128));
    fc.assert(
      fc.property(pairs, ([ip, other, length, same]) => {
        const family = isIP(ip) === 4 ? "ipv4" : "ipv6";
        const list = new BlockList();
        list.addSubnet(ip, length, family);
        const asked = same ? ip : other;
        expect(isIn(`${ip}/${length}`, asked)).toBe(list.check(asked, family));
      }),
      { numRuns: 500 },
    );
  });
});
