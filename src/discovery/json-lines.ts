// Cuts a stream of bytes into lines, however the bytes were split on the way. Bounded: a line has a longest length.

const NEWLINE = 0x0a;
const SMALLEST_TAIL = 4_096;

/** What a chunk completed. */
export interface Lines {
  /** Whole lines, without their newline and without surrounding blanks; blank lines are left out. */
  readonly lines: readonly string[];
  /** A line is longer than allowed: the lines before it are in `lines`, nothing comes after. */
  readonly tooLong: boolean;
}

/** Splits bytes at newlines and decodes them as UTF-8, where broken bytes become U+FFFD. */
export class JsonLines {
  readonly #maxBytes: number;
  readonly #framing: "lines" | "body";
  readonly #decoder = new TextDecoder();
  // The start of a line whose end has not come. Grown by doubling, so that a drip of bytes costs no more than a flood.
  #tail = new Uint8Array(0);
  #tailLength = 0;
  #tooLong = false;

  /** `maxBytes`: longest line, without its newline. `body`: all that comes is one line. */
  constructor(maxBytes: number, framing: "lines" | "body" = "lines") {
    this.#maxBytes = maxBytes;
    this.#framing = framing;
  }

  /** Whether a line has begun and not ended. */
  get midLine(): boolean {
    return this.#tailLength > 0;
  }

  /** Takes the next bytes. After a line that is too long nothing is given any more. */
  push(chunk: Uint8Array): Lines {
    const lines: string[] = [];
    let start = 0;
    while (!this.#tooLong) {
      const end = this.#framing === "body" ? -1 : chunk.indexOf(NEWLINE, start);
      this.#append(chunk.subarray(start, end === -1 ? chunk.length : end));
      if (end === -1 || this.#tooLong) break;
      this.#take(lines);
      start = end + 1;
    }
    return { lines, tooLong: this.#tooLong };
  }

  /** The last line, where the stream ended without a newline; undefined when there is none. */
  end(): string | undefined {
    const lines: string[] = [];
    if (!this.#tooLong) this.#take(lines);
    return lines[0];
  }

  #take(lines: string[]): void {
    const line = this.#decoder.decode(this.#tail.subarray(0, this.#tailLength)).trim();
    this.#tailLength = 0;
    // A long line's memory is not kept for the short ones after it.
    if (this.#tail.length > SMALLEST_TAIL) this.#tail = new Uint8Array(0);
    if (line !== "") lines.push(line);
  }

  #append(bytes: Uint8Array): void {
    const length = this.#tailLength + bytes.length;
    if (length > this.#maxBytes) {
      this.#tooLong = true;
      this.#tail = new Uint8Array(0);
      this.#tailLength = 0;
      return;
    }
    if (length > this.#tail.length) {
      const grown = new Uint8Array(Math.max(length, this.#tail.length * 2, SMALLEST_TAIL));
      grown.set(this.#tail.subarray(0, this.#tailLength));
      this.#tail = grown;
    }
    this.#tail.set(bytes, this.#tailLength);
    this.#tailLength = length;
  }
}
