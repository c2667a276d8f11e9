// The binary PROXY header (§2.2): signature, command, family, length, addresses, TLVs.
import { crc32c } from "../../lib/crc32c.ts";
import { formatIp } from "../../lib/ip.ts";
import type { Decoded } from "./decode.ts";
import { type Ends, type ProxyHeader, SIGNATURE, type Tlv, TLV, V2_FIXED_BYTES } from "./header.ts";

/** The longest header that is read. TLVs of a cloud's load balancer take some hundred bytes. */
export const MAX_V2_BYTES = V2_FIXED_BYTES + 4_096;

/** Bytes of the addresses and ports, by family: none, IPv4, IPv6, Unix. */
const ADDRESS_BYTES = [0, 12, 36, 216] as const;
const LAST_PROTOCOL = 2;
const STREAM = 1;

/** Reads a header that begins with `SIGNATURE`. */
export function decodeV2(bytes: Uint8Array): Decoded {
  // In the order of the bytes, so that a longer beginning of the same header gets the same answer.
  const version = bytes[SIGNATURE.length];
  if (version === undefined) return { kind: "more" };
  if (version >> 4 !== 2) return invalid(`its version is ${version >> 4}`);
  const command = version & 15;
  if (command > 1) return invalid(`its command is ${command}`);
  const high = bytes[14];
  const low = bytes[15];
  if (high === undefined || low === undefined) return { kind: "more" };
  const length = V2_FIXED_BYTES + high * 256 + low;
  if (length > MAX_V2_BYTES) return invalid(`it is ${length} bytes long`);
  if (bytes.length < length) return { kind: "more" };
  // A copy, so that TLVs keep no chunk alive; and no Buffer, whose `slice` would not copy.
  const whole = new Uint8Array(bytes.subarray(0, length));
  // LOCAL: whatever else stands in the header does not count.
  const header: ProxyHeader | string =
    command === 0 ? { version: 2, command: "local", ends: undefined, tlvs: [] } : readProxy(whole);
  return typeof header === "string" ? invalid(header) : { kind: "header", header, length };
}

/** A whole header with the command PROXY, or what is wrong with it. */
function readProxy(bytes: Uint8Array): ProxyHeader | string {
  const family = (bytes[13] ?? 0) >> 4;
  const protocol = (bytes[13] ?? 0) & 15;
  const addressBytes = ADDRESS_BYTES[family];
  if (addressBytes === undefined || protocol > LAST_PROTOCOL) {
    return `its address family is ${family}, its protocol ${protocol}`;
  }
  const nothing: ProxyHeader = { version: 2, command: "proxy", ends: undefined, tlvs: [] };
  // Without a family nobody knows where addresses end and TLVs begin.
  if (addressBytes === 0) return nothing;
  const at = V2_FIXED_BYTES + addressBytes;
  if (bytes.length < at) return "it is too short for its addresses";
  const tlvs = readTlvs(bytes, at);
  if (typeof tlvs === "string") return tlvs;
  const isTcp = protocol === STREAM && addressBytes !== ADDRESS_BYTES[3];
  const ends = isTcp ? readEnds(bytes, addressBytes === ADDRESS_BYTES[1] ? 4 : 16) : undefined;
  return { ...nothing, ends, tlvs };
}

function readEnds(bytes: Uint8Array, size: 4 | 16): Ends {
  const from = V2_FIXED_BYTES;
  const ports = from + 2 * size;
  const end = (index: 0 | 1) => {
    const ip = from + index * size;
    const port = ports + index * 2;
    return {
      ip: formatIp(bytes.subarray(ip, ip + size)),
      port: (bytes[port] ?? 0) * 256 + (bytes[port + 1] ?? 0),
    };
  };
  return { source: end(0), destination: end(1) };
}

/** The TLVs from `start` to the end, their checksum verified where there is one; or what is wrong. */
function readTlvs(bytes: Uint8Array, start: number): readonly Tlv[] | string {
  const tlvs: Tlv[] = [];
  for (let at = start; at < bytes.length;) {
    const [type = 0, high = 0, low = 0] = bytes.subarray(at, at + 3);
    const value = at + 3;
    const end = value + high * 256 + low;
    if (end > bytes.length) return "a TLV is longer than the header";
    if (type !== TLV.crc32c) tlvs.push({ type, value: bytes.slice(value, end) });
    else if (end - value !== 4) return "its checksum is not of 4 bytes";
    else if (!isChecksum(bytes, value)) return "its checksum is wrong";
    at = end;
  }
  return tlvs;
}

/** Whether the checksum at `at` is that of the header with zeroes in its place (§2.2.3). */
function isChecksum(bytes: Uint8Array, at: number): boolean {
  const zeroed = bytes.slice().fill(0, at, at + 4);
  return new DataView(bytes.buffer).getUint32(at) === crc32c(zeroed);
}

function invalid(reason: string): Decoded {
  return { kind: "invalid", reason };
}
