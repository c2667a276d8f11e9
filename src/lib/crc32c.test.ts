import { expect, test } from "bun:test";
import { crc32c } from "./crc32c.ts";

// RFC 3720 B.4 prints the bytes as they stand on the wire, the lowest first.
const ISCSI_READ =
  "01c00000000000000000000000000000140000000000040000000014000000182800000000000000" +
  "0200000000000000";

test.each([
  ["32 bytes of zeroes", new Uint8Array(32), 0x8a9136aa],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 bytes that go up", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["32 bytes that go down", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ["an iSCSI READ", Uint8Array.fromHex(ISCSI_READ), 0xd9963a56],
  ["nothing", new Uint8Array(0), 0],
  ["the check value", new TextEncoder().encode("123456789"), 0xe3069283],
])("crc32c of %s", (_name, bytes, expected) => expect(crc32c(bytes)).toBe(expected));
