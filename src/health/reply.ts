// What an endpoint has said so far, as dialogues read it: from the front, when enough of it is there.

/** Bytes that were received and not yet read. Who feeds it bounds how many there are. */
export class Reply {
  #bytes = new Uint8Array(256);
  #start = 0;
  #end = 0;

  push(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** What has not been read; valid until more is pushed. */
  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Reads `count` bytes, of which there must be as many; valid until more is pushed. */
  take(count: number): Uint8Array {
    const taken = this.rest.subarray(0, count);
    this.#start += taken.length;
    return taken;
  }

  /** Reads a line without its line end; undefined while it is not complete. */
  line(): string | undefined {
    const feed = this.rest.indexOf(10);
    if (feed < 0) return undefined;
    const line = Buffer.from(this.take(feed + 1)).toString("latin1", 0, feed);
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }

  #makeRoom(count: number): void {
    if (this.#end + count <= this.#bytes.length) return;
    const { rest } = this;
    const size = Math.max(this.#bytes.length, 2 * (rest.length + count));
    const larger = new Uint8Array(size);
    larger.set(rest);
    this.#bytes = larger;
    this.#end = rest.length;
    this.#start = 0;
  }
}
