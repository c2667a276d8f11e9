// Finds the end of a client's first handshake message in the TLS records that carry it (RFC 8446 section 5.1).

/**
 * The longest hello that is read. Those of today's browsers have 1.7 kB with a post-quantum key share; RFC 8446 allows
 * 16 MiB, which nobody sends.
 */
export const LONGEST_HELLO_BYTES = 16_384;
/** The hello must end within so many bytes, headers of records included. So it may be cut into 3276 records, or 3 bytes each. */
export const MOST_BYTES_READ = LONGEST_HELLO_BYTES * 2;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 5;
const MESSAGE_HEADER_BYTES = 4;
const LONGEST_RECORD_BYTES = 16_384;

/** `more`: it has not ended. `whole`: it has. Else what is wrong with it, for people. */
export type RecordsSeen = "more" | "whole" | { readonly detail: string };

/** Looks at each byte once, however many come at a time: a hello in thousands of records costs no more than others. */
export class HelloRecords {
  /** Up to here all has been looked at. */
  #at = 0;
  /** Bytes of the present record that are still to come. */
  #left = 0;
  /** Bytes of the message that have come. */
  #have = 0;
  #need = MESSAGE_HEADER_BYTES;
  /** The length in the message's header, as far as it has come. */
  #size = 0;

  /** Looks at what has been added to `bytes`, which are all since the first. Not to be called after another answer. */
  scan(bytes: Uint8Array): RecordsSeen {
    const end = Math.min(bytes.length, MOST_BYTES_READ);
    while (this.#have < this.#need) {
      if (this.#left === 0) {
        const begun = this.#beginRecord(bytes, end);
        if (begun !== undefined) return begun;
      }
      if (this.#at >= end) return this.#more(end);
      const wrong = this.#have < MESSAGE_HEADER_BYTES ? this.#readHeader(bytes) : this.#skip(end);
      if (wrong !== undefined) return wrong;
    }
    return "whole";
  }

  /** The message without its header, once it is whole; not copied where one record has all of it, as nearly always. */
  message(bytes: Uint8Array): Uint8Array {
    const first = recordAt(bytes, 0);
    if (first.length >= this.#need) return first.subarray(MESSAGE_HEADER_BYTES, this.#need);
    const joined = new Uint8Array(this.#need);
    let have = 0;
    for (let at = 0; have < this.#need;) {
      const part = recordAt(bytes, at);
      joined.set(part.subarray(0, this.#need - have), have);
      have += part.length;
      at += RECORD_HEADER_BYTES + part.length;
    }
    return joined.subarray(MESSAGE_HEADER_BYTES);
  }

  /** Reads the header of the next record; an answer where that cannot be done. */
  #beginRecord(bytes: Uint8Array, end: number): RecordsSeen | undefined {
    const at = this.#at;
    if (at < end && bytes[at] !== HANDSHAKE_RECORD)
      return { detail: "another record in the hello" };
    if (at + 1 < end && bytes[at + 1] !== 3) return { detail: "another record in the hello" };
    if (at + RECORD_HEADER_BYTES > end) return this.#more(end);
    const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0);
    if (length === 0 || length > LONGEST_RECORD_BYTES)
      return { detail: `a record of ${length} bytes` };
    this.#at = at + RECORD_HEADER_BYTES;
    this.#left = length;
    return undefined;
  }

  /** Reads one byte of the message's header: its kind, or a part of its length. */
  #readHeader(bytes: Uint8Array): RecordsSeen | undefined {
    const byte = bytes[this.#at] ?? 0;
    if (this.#have === 0 && byte !== CLIENT_HELLO)
      return { detail: `handshake message ${byte} in place of a hello` };
    if (this.#have > 0) this.#size = this.#size * 256 + byte;
    this.#take(1);
    if (this.#have < MESSAGE_HEADER_BYTES) return undefined;
    if (this.#size > LONGEST_HELLO_BYTES) return { detail: `a hello of ${this.#size} bytes` };
    this.#need += this.#size;
    return undefined;
  }

  #skip(end: number): undefined {
    this.#take(Math.min(this.#left, end - this.#at, this.#need - this.#have));
  }

  #take(count: number): void {
    this.#at += count;
    this.#left -= count;
    this.#have += count;
  }

  #more(end: number): RecordsSeen {
    return end < MOST_BYTES_READ ? "more" : { detail: "too many records for one hello" };
  }
}

/** What the record that begins at `at` holds, or as much of it as there is. */
function recordAt(bytes: Uint8Array, at: number): Uint8Array {
  const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0);
  return bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
}
