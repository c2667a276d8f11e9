// IP literals as four 32-bit words, read without an allocation: for what looks at the address of every connection.
// An IPv4 address is its mapped form (RFC 4291 §2.5.5.2), so that both spellings of it are the same words.

/** What a text was read as; 0 for no address. */
export type IpFamily = 0 | 4 | 6;

const DOT = 0x2e;
const COLON = 0x3a;
const PERCENT = 0x25;

/** Scratch of `readIpWords`: the groups of an IPv6 address. */
const groups = new Uint16Array(8);

/** Reads a literal, with or without a zone, into `words`. `::ffff:1.2.3.4` is of family 4. */
export function readIpWords(text: string, words: Uint32Array): IpFamily {
  const ipv4 = readIpv4(text, 0);
  if (ipv4 >= 0) return setIpv4(words, ipv4);
  if (!readGroups(text)) return 0;
  for (let at = 0; at < 4; at += 1) words[at] = group(2 * at) * 0x1_0000 + group(2 * at + 1);
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff ? 4 : 6;
}

/** Sets the bits after the first `length` of 128 to zero; an IPv4 address has 96 bits before its own. */
export function maskWords(words: Uint32Array, length: number): void {
  for (let at = 0; at < 4; at += 1) {
    const kept = length - at * 32;
    if (kept >= 32) continue;
    // A shift by 32 would shift by nothing.
    words[at] = kept <= 0 ? 0 : ((words[at] as number) & (-1 << (32 - kept))) >>> 0;
  }
}

/** The 4 or 16 bytes of an address, as lib/ip.ts has them. */
export function wordsToBytes(words: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < 4; at += 1) view.setUint32(at * 4, words[at] ?? 0);
  const isIpv4 = words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
  return isIpv4 ? bytes.subarray(12) : bytes;
}

function setIpv4(words: Uint32Array, ipv4: number): IpFamily {
  words[0] = 0;
  words[1] = 0;
  words[2] = 0xffff;
  words[3] = ipv4;
  return 4;
}

function group(at: number): number {
  return groups[at] as number;
}

/** The number of the dotted address that begins at `from` and is the rest of the text; -1 for anything else. */
function readIpv4(text: string, from: number): number {
  let address = 0;
  let value = -1;
  let dots = 0;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === DOT) {
      if (value < 0 || dots === 3) return -1;
      address = address * 256 + value;
      value = -1;
      dots += 1;
      continue;
    }
    const digit = code - 0x30;
    // A leading zero is read as octal by some.
    if (digit < 0 || digit > 9 || value === 0) return -1;
    value = value < 0 ? digit : value * 10 + digit;
    if (value > 255) return -1;
  }
  return dots === 3 && value >= 0 ? address * 256 + value : -1;
}

/** Reads an IPv6 address into `groups`. */
function readGroups(text: string): boolean {
  let count = 0;
  let gap = -1;
  let at = 0;
  let end = text.indexOf("%");
  if (end < 0) end = text.length;
  while (at < end) {
    if (text.charCodeAt(at) === COLON) {
      // Only "::" may stand where a group is expected.
      if (gap >= 0 || text.charCodeAt(at + 1) !== COLON) return false;
      gap = count;
      at += 2;
      continue;
    }
    if (count === 8) return false;
    const next = readGroup(text, at, end, count);
    if (next === 0) return false;
    count += next > 0 ? 1 : 2;
    at = Math.abs(next);
    if (at === end) break;
    // A colon follows; one more belongs to "::", and one at the end is wrong.
    if (text.charCodeAt(at) !== COLON || at + 1 === end) return false;
    if (text.charCodeAt(at + 1) !== COLON) at += 1;
  }
  if (gap < 0) return count === 8;
  if (count === 8) return false;
  spread(gap, count);
  return true;
}

/** Reads the group at `at`: answers where it ends; negative where it was a dotted address, 0 where it is neither. */
function readGroup(text: string, at: number, end: number, count: number): number {
  let value = 0;
  let next = at;
  for (; next < end; next += 1) {
    const code = text.charCodeAt(next);
    if (code === COLON || code === PERCENT) break;
    if (code === DOT) return readEmbedded(text, at, end, count);
    const digit = hexDigit(code);
    if (digit < 0 || next - at === 4) return 0;
    value = value * 16 + digit;
  }
  groups[count] = value;
  return next;
}

function readEmbedded(text: string, at: number, end: number, count: number): number {
  if (end !== text.length || count > 6) return 0;
  const ipv4 = readIpv4(text, at);
  if (ipv4 < 0) return 0;
  groups[count] = ipv4 >>> 16;
  groups[count + 1] = ipv4 & 0xffff;
  return -end;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = (code | 0x20) - 0x61;
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}

/** Moves the groups after the gap to the end, and fills it with zeros. */
function spread(gap: number, count: number): void {
  groups.copyWithin(8 - (count - gap), gap, count);
  groups.fill(0, gap, 8 - (count - gap));
}
