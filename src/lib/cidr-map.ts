// Blocks of addresses with a number each, looked up by address: long lists at a few dozen nanoseconds a connection.
import { type IpFamily, maskWords, readIpWords } from "./ip-words.ts";

/** Blocks as sorted ranges: each value holds from its start to the next one. Plain data, so that it crosses threads. */
export interface CidrRanges {
  readonly starts4: Uint32Array;
  readonly values4: Int32Array;
  /** Four words each. */
  readonly starts6: Uint32Array;
  readonly values6: Int32Array;
  /** For each block the smallest one around it, or NO_BLOCK. */
  readonly parents: Int32Array;
}

/** The value of an address in no block. */
export const NO_BLOCK = -1;

const LARGEST_WORD = 0xffff_ffff;

interface Block {
  readonly family: IpFamily;
  /** Four words, as of lib/ip-words.ts. */
  readonly start: Uint32Array;
  /** The last address. */
  readonly end: Uint32Array;
  readonly value: number;
}

/**
 * Sorts blocks, given as lib/cidr.ts prints them; the value of each is its index. Texts that are no blocks are left out.
 * Blocks of IPv6, `::/0` too, hold no IPv4 addresses. Of equal blocks the last one counts. 10,000 take some 50 ms.
 */
export function cidrRanges(texts: readonly string[]): CidrRanges {
  const blocks = texts.flatMap((text, value) => readBlock(text, value) ?? []);
  const parents = new Int32Array(texts.length).fill(NO_BLOCK);
  const ranges4 = rangesOf(
    blocks.filter(({ family }) => family === 4),
    parents,
  );
  const ranges6 = rangesOf(
    blocks.filter(({ family }) => family === 6),
    parents,
  );
  return {
    starts4: ranges4.starts.filter((_, at) => at % 4 === 3),
    values4: ranges4.values,
    starts6: ranges6.starts,
    values6: ranges6.values,
    parents,
  };
}

/** From addresses to the value of the smallest block that holds them. */
export class CidrMap {
  readonly #ranges: CidrRanges;

  constructor(ranges: CidrRanges) {
    this.#ranges = ranges;
  }

  /** The value of the smallest block that holds the address, or NO_BLOCK. */
  find(words: Uint32Array, family: IpFamily): number {
    return family === 4 ? this.#find4(words[3] as number) : this.#find6(words);
  }

  #find4(address: number): number {
    const { starts4, values4 } = this.#ranges;
    let low = 0;
    let high = starts4.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((starts4[middle] as number) <= address) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? NO_BLOCK : (values4[low - 1] as number);
  }

  #find6(words: Uint32Array): number {
    const { starts6, values6 } = this.#ranges;
    let low = 0;
    let high = values6.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(starts6, middle * 4, words, 0) <= 0) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? NO_BLOCK : (values6[low - 1] as number);
  }
}

function readBlock(text: string, value: number): Block | undefined {
  const slash = text.indexOf("/");
  const ip = slash < 0 ? text : text.slice(0, slash);
  const start = new Uint32Array(4);
  const family = readIpWords(ip, start);
  if (family === 0) return undefined;
  const bits = slash < 0 ? 128 : Number(text.slice(slash + 1)) + (ip.includes(":") ? 0 : 96);
  maskWords(start, bits);
  const end = Uint32Array.from(start, (word, at) => {
    const kept = Math.min(32, Math.max(0, bits - at * 32));
    return kept === 32 ? word : word + (LARGEST_WORD >>> kept);
  });
  return { family, start, end, value };
}

/** Blocks nest or are apart: those that are open, one within the other, are a stack. */
function rangesOf(
  blocks: readonly Block[],
  parents: Int32Array,
): { starts: Uint32Array; values: Int32Array } {
  const sorted = blocks.toSorted(
    (a, b) =>
      // Wider blocks first, so that those within them come to lie on top.
      compare(a.start, 0, b.start, 0) || compare(b.end, 0, a.end, 0) || a.value - b.value,
  );
  const starts = new Uint32Array(8 * sorted.length);
  const values = new Int32Array(2 * sorted.length);
  const open: Block[] = [];
  let count = 0;
  const mark = (start: Uint32Array, value: number): void => {
    if (count > 0 && compare(starts, 4 * (count - 1), start, 0) === 0) count -= 1;
    starts.set(start, 4 * count);
    values[count] = value;
    count += 1;
  };
  const close = (before: Uint32Array | undefined): void => {
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      if (before !== undefined && compare(top.end, 0, before, 0) >= 0) return;
      open.pop();
      const next = after(top.end);
      if (next !== undefined) mark(next, open.at(-1)?.value ?? NO_BLOCK);
    }
  };
  for (const block of sorted) {
    close(block.start);
    mark(block.start, block.value);
    parents[block.value] = open.at(-1)?.value ?? NO_BLOCK;
    open.push(block);
  }
  close(undefined);
  return { starts: starts.slice(0, 4 * count), values: values.slice(0, count) };
}

/** The next address; undefined after the last one. */
function after(words: Uint32Array): Uint32Array | undefined {
  const next = words.slice();
  for (let at = 3; at >= 0; at -= 1) {
    const word = next[at] as number;
    next[at] = word === LARGEST_WORD ? 0 : word + 1;
    // The mapped addresses end where another prefix begins: there is no IPv4 address beyond.
    if (word !== LARGEST_WORD) return isBeyondIpv4(words, at) ? undefined : next;
  }
  return undefined;
}

function isBeyondIpv4(words: Uint32Array, changed: number): boolean {
  return changed < 3 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

function compare(a: Uint32Array, from: number, b: Uint32Array, other: number): number {
  for (let at = 0; at < 4; at += 1) {
    const difference = (a[from + at] as number) - (b[other + at] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
