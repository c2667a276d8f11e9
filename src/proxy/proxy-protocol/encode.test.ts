import { describe, expect, test } from "bun:test";
import type { Address } from "../../lib/address.ts";
import { encodeV1, encodeV2, LOCAL_V2, UNKNOWN_V1 } from "./encode.ts";
import { TLV } from "./header.ts";

const at = (ip: string, port: number): Address => ({ ip, port });
const ends = (source: Address, destination: Address) => ({ source, destination });
const line = (...parts: Parameters<typeof ends>): string =>
  new TextDecoder().decode(encodeV1(ends(...parts)));

describe("encodeV1", () => {
  test("writes a line of the family of both addresses", () => {
    expect(line(at("192.168.0.1", 56324), at("192.168.0.11", 443))).toBe(
      "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
    );
    expect(line(at("2001:db8::1", 1), at("::1", 65_535))).toBe(
      "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
    );
  });

  test("writes the IPv4 addresses of a socket that listens for both families as IPv4", () => {
    expect(line(at("::ffff:10.0.0.1", 1), at("::ffff:10.0.0.2", 2))).toBe(
      "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
    );
  });

  test("writes two families as IPv6", () => {
    expect(line(at("2001:db8::1", 1), at("10.0.0.2", 2))).toBe(
      "PROXY TCP6 2001:db8::1 ::ffff:a00:2 1 2\r\n",
    );
  });

  test("leaves a zone out", () => {
    expect(line(at("fe80::1%eth0", 1), at("fe80::2%eth0", 2))).toBe(
      "PROXY TCP6 fe80::1 fe80::2 1 2\r\n",
    );
  });

  test("writes UNKNOWN where an address is not known", () => {
    expect(new TextDecoder().decode(encodeV1(undefined))).toBe("PROXY UNKNOWN\r\n");
    expect(encodeV1(ends(at("nonsense", 1), at("10.0.0.2", 2)))).toEqual(UNKNOWN_V1);
  });
});

describe("encodeV2", () => {
  const BOTH = ends(at("127.0.0.1", 34_144), at("::ffff:127.0.0.1", 7_801));

  test("writes byte for byte what HAProxy 2.6 writes", () => {
    expect(encodeV2(BOTH, [], true).toHex()).toBe(
      "0d0a0d0a000d0a515549540a211100137f0000017f00000185601e79030004d3d4e7c2",
    );
  });

  test("writes TLVs in their order", () => {
    const tlvs = [
      { type: TLV.alpn, value: Uint8Array.of(104, 50) },
      { type: TLV.authority, value: new Uint8Array(300) },
    ];
    const header = encodeV2(BOTH, tlvs, false);
    expect(header.subarray(28, 36).toHex()).toBe("010002683202012c");
    expect(header.length).toBe(28 + 5 + 303);
  });

  test("writes a family of none without TLVs where addresses are not known", () => {
    const unknown = encodeV2(undefined, [{ type: TLV.alpn, value: Uint8Array.of(1) }], true);
    expect(unknown.toHex()).toBe("0d0a0d0a000d0a515549540a21000000");
  });

  test("has a header of its own for the sender's connections", () => {
    expect(LOCAL_V2.toHex()).toBe("0d0a0d0a000d0a515549540a20000000");
  });
});
