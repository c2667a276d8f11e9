// Reads the vectors and numbers of TLS messages (RFC 8446 section 3) without ever going past their end.

/** A place in a message. Once something did not fit, `bad` is true and all that is read is 0 or empty. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  bad = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Bytes that are not read yet. */
  get left(): number {
    return this.bad ? 0 : this.#bytes.length - this.#at;
  }

  /** A number of 1 to 3 bytes, the highest first. */
  number(length: 1 | 2 | 3): number {
    let value = 0;
    for (const byte of this.bytes(length)) value = value * 256 + byte;
    return value;
  }

  /** The next bytes, not copied. */
  bytes(length: number): Uint8Array {
    if (this.left < length) this.bad = true;
    if (this.bad) return NOTHING;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A vector: its length in `prefix` bytes, then its content. */
  vector(prefix: 1 | 2): ByteReader {
    const inner = new ByteReader(this.bytes(this.number(prefix)));
    inner.bad = this.bad;
    return inner;
  }

  /** The rest. */
  rest(): Uint8Array {
    return this.bytes(this.left);
  }
}

const NOTHING = new Uint8Array(0);
