// Reads the vectors and numbers of TLS messages (RFC 8446 section 3) without ever going past their end.

/** A place in a message. Once something did not fit, `bad` is true and all that is read is 0 or empty. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  bad = false;

  /** `at` and `end` are the part of `bytes` that is read; all of them unless given. */
  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  /** Bytes that are not read yet. */
  get left(): number {
    return this.bad ? 0 : this.#end - this.#at;
  }

  /** A number of 1 to 3 bytes, the highest first. */
  number(length: 1 | 2 | 3): number {
    const from = this.#at;
    if (!this.skip(length)) return 0;
    let value = 0;
    for (let at = from; at < this.#at; at++) value = value * 256 + (this.#bytes[at] ?? 0);
    return value;
  }

  /** The next bytes, not copied. */
  bytes(length: number): Uint8Array {
    const from = this.#at;
    return this.skip(length) ? this.#bytes.subarray(from, this.#at) : NOTHING;
  }

  /** Leaves out the next bytes. Whether they were there. */
  skip(length: number): boolean {
    if (this.left < length) this.bad = true;
    if (this.bad) return false;
    this.#at += length;
    return true;
  }

  /** Leaves out a vector. */
  skipVector(prefix: 1 | 2): void {
    this.skip(this.number(prefix));
  }

  /** A vector: its length in `prefix` bytes, then its content. */
  vector(prefix: 1 | 2): ByteReader {
    const length = this.number(prefix);
    const from = this.#at;
    // Views cost more than numbers do, and a hello has some twenty vectors.
    const inner = this.skip(length)
      ? new ByteReader(this.#bytes, from, this.#at)
      : new ByteReader(NOTHING);
    inner.bad = this.bad;
    return inner;
  }

  /** The rest. */
  rest(): Uint8Array {
    return this.bytes(this.left);
  }
}

const NOTHING = new Uint8Array(0);
