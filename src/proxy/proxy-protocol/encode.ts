// Writes PROXY headers of both versions.
import type { Address } from "../../lib/address.ts";
import { unmapped } from "../../lib/cidr.ts";
import { crc32c } from "../../lib/crc32c.ts";
import { formatIp, parseIp } from "../../lib/ip.ts";
import { type Ends, SIGNATURE, type Tlv, TLV, V2_FIXED_BYTES } from "./header.ts";

const LOCAL = 0x20;
const PROXY = 0x21;
const UNSPEC = 0x00;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;

/** What version 1 says where version 2 says LOCAL, and where the addresses are not known. */
export const UNKNOWN_V1: Uint8Array = new TextEncoder().encode("PROXY UNKNOWN\r\n");

/** The header of a connection that is the sender's own. */
export const LOCAL_V2: Uint8Array = Uint8Array.of(...SIGNATURE, LOCAL, UNSPEC, 0, 0);

/** A line for the ends, both of one family, or for none. */
export function encodeV1(ends: Ends | undefined): Uint8Array {
  const bytes = ends && endBytes(ends);
  if (ends === undefined || bytes === undefined) return UNKNOWN_V1;
  const [source, destination] = bytes;
  const family = source.length === 4 ? "TCP4" : "TCP6";
  const ips = `${formatIp(source)} ${formatIp(destination)}`;
  const ports = `${ends.source.port} ${ends.destination.port}`;
  return new TextEncoder().encode(`PROXY ${family} ${ips} ${ports}\r\n`);
}

/**
 * A binary header for the ends, or for none. `checksum`: whether a CRC32c of it goes last. The TLVs must fit into
 * 65535 bytes with the addresses.
 */
export function encodeV2(
  ends: Ends | undefined,
  tlvs: readonly Tlv[],
  checksum: boolean,
): Uint8Array {
  const addresses = ends && addressBlock(ends);
  // Receivers ignore what comes after no addresses, so there are no TLVs either.
  if (addresses === undefined) return v2(UNSPEC, new Uint8Array(0));
  const all = checksum ? [...tlvs, { type: TLV.crc32c, value: new Uint8Array(4) }] : tlvs;
  const family = addresses.length === 12 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
  const header = v2(family, concat([addresses, encodeTlvs(all)]));
  if (checksum) viewOf(header).setUint32(header.length - 4, crc32c(header));
  return header;
}

/** Type-length-values one after the other. */
export function encodeTlvs(tlvs: readonly Tlv[]): Uint8Array {
  return concat(
    tlvs.flatMap(({ type, value }) => [
      Uint8Array.of(type, value.length >> 8, value.length & 255),
      value,
    ]),
  );
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function v2(family: number, rest: Uint8Array): Uint8Array {
  const header = new Uint8Array(V2_FIXED_BYTES + rest.length);
  header.set(SIGNATURE);
  header[12] = PROXY;
  header[13] = family;
  viewOf(header).setUint16(14, rest.length);
  header.set(rest, V2_FIXED_BYTES);
  return header;
}

function addressBlock(ends: Ends): Uint8Array | undefined {
  const bytes = endBytes(ends);
  if (bytes === undefined) return undefined;
  const ports = new Uint8Array(4);
  viewOf(ports).setUint16(0, ends.source.port);
  viewOf(ports).setUint16(2, ends.destination.port);
  return concat([...bytes, ports]);
}

/** The two addresses: IPv4 where both are, else IPv6 with the other one mapped. */
function endBytes({ source, destination }: Ends): readonly [Uint8Array, Uint8Array] | undefined {
  const from = addressBytes(source);
  const to = addressBytes(destination);
  if (from === undefined || to === undefined) return undefined;
  return from.length === to.length ? [from, to] : [mapped(from), mapped(to)];
}

function addressBytes({ ip }: Address): Uint8Array | undefined {
  // An interface of this machine says nothing to others.
  const bytes = parseIp(ip.split("%", 1)[0] ?? "");
  return bytes && unmapped(bytes);
}

function mapped(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes;
  const all = new Uint8Array(16).fill(0xff, 10, 12);
  all.set(bytes, 12);
  return all;
}

function viewOf({ buffer, byteOffset }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset);
}
