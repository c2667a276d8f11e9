// Blocks of IP addresses, such as 10.0.0.0/8: reading and printing them, and asking whether an address is in one.
import { formatIp, parseIp } from "./ip.ts";

/** Addresses that share their first bits. */
export interface Cidr {
  /** 4 or 16; those after `length` bits are zero. */
  readonly bytes: Uint8Array;
  /** How many bits are shared: 0 to 32, or to 128. */
  readonly length: number;
}

/** How `::ffff:1.2.3.4` begins: an IPv4 address as IPv6 sockets show it (RFC 4291 §2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * Reads `10.0.0.0/8` or `fd00::/8` (RFC 4632 §3.1, RFC 4291 §2.3); an address alone is a block of one. Bits after the
 * length are dropped, and blocks of mapped IPv4 addresses become blocks of IPv4. Undefined for anything else.
 */
export function parseCidr(text: string): Cidr | undefined {
  const [address = "", bits, ...more] = text.split("/");
  const written = parseIp(address);
  if (written === undefined || more.length > 0) return undefined;
  const most = written.length * 8;
  if (bits !== undefined && !/^(0|[1-9][0-9]{0,2})$/.test(bits)) return undefined;
  const length = bits === undefined ? most : Number(bits);
  if (length > most) return undefined;
  const bytes = unmapped(written);
  // A block that is wider than all mapped addresses is one of IPv6.
  if (bytes.length < written.length && length < 96)
    return { bytes: masked(written, length), length };
  const own = length - (written.length - bytes.length) * 8;
  return { bytes: masked(bytes, own), length: own };
}

/** As `parseCidr` reads it. */
export function formatCidr({ bytes, length }: Cidr): string {
  return `${formatIp(bytes)}/${length}`;
}

/** The 4 bytes of a mapped IPv4 address; other addresses as they are. */
export function unmapped(bytes: Uint8Array): Uint8Array {
  const isMapped = bytes.length === 16 && MAPPED.every((value, index) => bytes[index] === value);
  return isMapped ? bytes.subarray(12) : bytes;
}

/** Whether the address is in a block. Blocks of IPv6, `::/0` too, hold no IPv4 addresses, mapped or not. */
export function inAnyCidr(cidrs: readonly Cidr[], ip: string): boolean {
  const bytes = addressBytes(ip);
  return bytes !== undefined && anyContains(cidrs, bytes);
}

/** The 4 or 16 bytes of an address, those of a mapped IPv4 address 4: for `anyContains`, where much is asked of one. */
export function addressBytes(ip: string): Uint8Array | undefined {
  const parsed = parseIp(ip);
  return parsed && unmapped(parsed);
}

/** Whether an address, as `addressBytes` reads it, is in a block. */
export function anyContains(cidrs: readonly Cidr[], address: Uint8Array): boolean {
  return cidrs.some((cidr) => contains(cidr, address));
}

/** Whether all addresses of `inner` are in `outer`. */
export function coversCidr(outer: Cidr, inner: Cidr): boolean {
  return outer.length <= inner.length && contains(outer, inner.bytes);
}

function contains({ bytes, length }: Cidr, address: Uint8Array): boolean {
  if (bytes.length !== address.length) return false;
  const whole = length >> 3;
  for (let index = 0; index < whole; index += 1) {
    if (bytes[index] !== address[index]) return false;
  }
  const mask = partMask(length);
  return mask === 0 || ((address[whole] ?? 0) & mask) === bytes[whole];
}

function masked(bytes: Uint8Array, length: number): Uint8Array {
  const whole = length >> 3;
  return bytes.map((byte, index) => {
    if (index < whole) return byte;
    return index === whole ? byte & partMask(length) : 0;
  });
}

/** The bits that count in the byte in which a block's length ends. */
function partMask(length: number): number {
  return (0xff00 >> (length & 7)) & 0xff;
}
