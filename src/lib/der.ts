// DER, in which certificates and lists of revoked ones are written (X.690): one value after another. Bytes may be
// anybody's: what is no DER is answered, never thrown.

/** Tags that certificates use; `context(n)` makes those whose meaning depends on the place. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** The tag [n] of a place; `isConstructed` where it holds values rather than bytes. */
export function context(n: number, isConstructed: boolean): number {
  return 0x80 | (isConstructed ? 0x20 : 0) | n;
}

export interface DerValue {
  readonly tag: number;
  /** Views of the bytes that were read, not copies. */
  readonly content: Uint8Array;
  /** With tag and length. */
  readonly whole: Uint8Array;
}

/** Lengths of more bytes than this are of nothing that fits into memory. */
const MOST_LENGTH_BYTES = 4;

/** Reads values from bytes, in their order. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The tag of the next value; undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The next value; undefined where there is none, or none that is whole. Then the reader stays where it is. */
  next(): DerValue | undefined {
    const bytes = this.#bytes;
    const tag = bytes[this.#at];
    const first = bytes[this.#at + 1];
    // Tags of several bytes occur in nothing that is read here.
    if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
    let start = this.#at + 2;
    let length = first;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count === 0 || count > MOST_LENGTH_BYTES || start + count > bytes.length)
        return undefined;
      length = 0;
      for (let index = 0; index < count; index += 1)
        length = length * 256 + (bytes[start + index] ?? 0);
      start += count;
    }
    const end = start + length;
    if (end > bytes.length) return undefined;
    const value = {
      tag,
      content: bytes.subarray(start, end),
      whole: bytes.subarray(this.#at, end),
    };
    this.#at = end;
    return value;
  }

  /** The next value where it has this tag; else undefined, and the reader stays where it is. */
  take(tag: number): DerValue | undefined {
    return this.peek() === tag ? this.next() : undefined;
  }

  /** A reader of what is in the next value, where that has this tag. */
  enter(tag: number): DerReader | undefined {
    const value = this.take(tag);
    return value && new DerReader(value.content);
  }
}

/** Whether both are the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
