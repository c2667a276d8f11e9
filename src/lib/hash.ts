// Hashes that are the same on every machine and in every version: for spreading things evenly, not for secrets.

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const TWO_POW_32 = 2 ** 32;
const IPV4_MAPPED = "::ffff:";

/** Spreads every bit of a 32-bit number over all 32, one to one: the finaliser of MurmurHash3 (Austin Appleby, public domain). */
export function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/**
 * The hash of a text, an integer from 0 to 2^32 - 1: FNV-1a (Fowler, Noll and Vo) over its UTF-16 units, then mixed, as
 * FNV leaves the last of them in the low bits. Another `seed` makes another hash.
 */
export function hashText(text: string, seed = 0): number {
  let hash = FNV_OFFSET ^ mix(seed);
  for (let at = 0; at < text.length; at += 1)
    hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return mix(hash) >>> 0;
}

/** The hash of an IP address. An IPv4 address has the same in its IPv6 form (`::ffff:`), as sockets of `::` tell it. */
export function hashAddress(ip: string): number {
  return hashText(ip.startsWith(IPV4_MAPPED) ? ip.slice(IPV4_MAPPED.length) : ip);
}

/** A number in (0, 1] that looks random, but is always the same for the same three 32-bit integers. */
export function chanceOf(key: number, first: number, second: number): number {
  return ((mix(mix(key ^ first) + second) >>> 0) + 1) / TWO_POW_32;
}
