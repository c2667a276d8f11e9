// What a PROXY header says (HAProxy's proxy-protocol.txt), whichever version it was written in.
import type { Address } from "../../lib/address.ts";

/** The two ends of a connection. */
export interface Ends {
  readonly source: Address;
  readonly destination: Address;
}

/** One type-length-value of version 2. */
export interface Tlv {
  /** 0 to 255; those that are known here are in `TLV`. */
  readonly type: number;
  readonly value: Uint8Array;
}

/** A header that was read. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** `local`: the sender's own connection, such as its health check. */
  readonly command: "proxy" | "local";
  /** Undefined where the header names no TCP addresses: UNKNOWN, LOCAL, Unix sockets, UDP. */
  readonly ends: Ends | undefined;
  /** In the order of the header, the checksum left out. */
  readonly tlvs: readonly Tlv[];
}

/** Types of TLVs, §2.2 and following. */
export const TLV = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  uniqueId: 0x05,
  ssl: 0x20,
  sslVersion: 0x21,
  sslCipher: 0x23,
} as const;

/** How a header of version 2 begins. */
export const SIGNATURE: readonly number[] = [
  0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
];

/** Bytes of a header of version 2 before its addresses. */
export const V2_FIXED_BYTES = 16;

/** The value of the first TLV of a type. */
export function tlvOf(header: ProxyHeader | undefined, type: number): Uint8Array | undefined {
  return header?.tlvs.find((tlv) => tlv.type === type)?.value;
}
