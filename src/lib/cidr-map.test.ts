import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Cidr, formatCidr, inAnyCidr, parseCidr } from "./cidr.ts";
import { CidrMap, cidrRanges } from "./cidr-map.ts";
import { formatIp } from "./ip.ts";
import { readIpWords } from "./ip-words.ts";

const words = new Uint32Array(4);

function find(map: CidrMap, ip: string): number {
  return map.find(words, readIpWords(ip, words));
}

/** Addresses and blocks of few bits, so that they meet. */
const bytes = (size: 4 | 16) =>
  fc.array(fc.constantFrom(0, 1, 127, 128, 255), { minLength: size, maxLength: size });
const address = fc.oneof(bytes(4), bytes(16)).map((list) => formatIp(Uint8Array.from(list)));
const block = fc
  .tuple(address, fc.nat(128))
  .map(([ip, length]) => `${ip}/${ip.includes(":") ? length : length % 33}`)
  .map((text) => parseCidr(text))
  .filter((cidr) => cidr !== undefined);

/** The last of the smallest blocks that hold an address. */
function slowly(blocks: readonly Cidr[], ip: string): number {
  let best = -1;
  for (const [index, cidr] of blocks.entries()) {
    if (!inAnyCidr([cidr], ip)) continue;
    if (best < 0 || cidr.length >= (blocks[best]?.length ?? 0)) best = index;
  }
  return best;
}

describe("CidrMap", () => {
  test("finds the smallest block that holds an address", () => {
    const map = new CidrMap(
      cidrRanges(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "fd00::/8", "fd00::7/128"]),
    );
    expect(
      ["9.255.255.255", "10.0.0.0", "10.1.0.1", "10.1.2.3", "10.1.2.4", "10.2.0.0", "11.0.0.0"].map(
        (ip) => find(map, ip),
      ),
    ).toEqual([-1, 0, 1, 2, 1, 0, -1]);
    expect(
      ["fcff::", "fd00::6", "fd00::7", "fd00::8", "fe00::"].map((ip) => find(map, ip)),
    ).toEqual([-1, 3, 4, 3, -1]);
  });

  test("keeps IPv4 out of blocks of IPv6, and takes mapped addresses for IPv4", () => {
    const map = new CidrMap(cidrRanges(["::/0", "1.2.3.0/24"]));
    expect(["1.2.3.4", "::ffff:1.2.3.4", "1.2.4.4", "::1"].map((ip) => find(map, ip))).toEqual([
      1, 1, -1, 0,
    ]);
  });

  test("agrees with a look at every block", () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 12 }), address, (blocks, ip) => {
        const map = new CidrMap(cidrRanges(blocks.map(formatCidr)));
        expect(find(map, ip)).toBe(slowly(blocks, ip));
      }),
      { numRuns: 2_000 },
    );
  });

  test("knows which block is around another", () => {
    const texts = ["10.1.2.0/24", "10.0.0.0/8", "::/0", "10.1.0.0/16", "11.0.0.0/8", "fd00::/8"];
    expect([...cidrRanges(texts).parents]).toEqual([3, -1, -1, 1, -1, 2]);
  });

  test("holds nothing where there are no blocks", () => {
    expect(find(new CidrMap(cidrRanges([])), "1.2.3.4")).toBe(-1);
    expect(find(new CidrMap(cidrRanges([])), "::1")).toBe(-1);
  });
});
