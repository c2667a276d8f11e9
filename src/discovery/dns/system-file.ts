// A small file of the system, read again when it has changed.
import type { Clock } from "../../lib/clock.ts";

/** How long a file is taken to be unchanged: as often as this it costs a call of the system. */
const TRUST_MS = 2_000;
/** What lies beyond is not read. */
const MOST_BYTES = 4 * 2 ** 20;

/** What a file says. One that is missing or cannot be read says what an empty one would. */
export class SystemFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #clock: Clock;
  #version: string | undefined;
  #value: T | undefined;
  #checkedMs = -Infinity;

  /** `parse` must not throw. */
  constructor(path: string, parse: (text: string) => T, clock: Clock) {
    this.#path = path;
    this.#parse = parse;
    this.#clock = clock;
  }

  /** What the file said a moment ago, at most 2 s. Never rejects. */
  async value(): Promise<T> {
    const nowMs = this.#clock.now();
    if (this.#value === undefined || nowMs - this.#checkedMs >= TRUST_MS) {
      this.#checkedMs = nowMs;
      await this.#refresh();
    }
    return (this.#value ??= this.#parse(""));
  }

  async #refresh(): Promise<void> {
    try {
      const file = Bun.file(this.#path);
      const { ino, size, mtimeMs } = await file.stat();
      const version = `${ino} ${size} ${mtimeMs}`;
      if (version === this.#version) return;
      this.#value = this.#parse(await file.slice(0, MOST_BYTES).text());
      this.#version = version;
    } catch (error) {
      this.#version = undefined;
      // One that is there and cannot be read for the moment still says what it said.
      if (isMissing(error)) this.#value = undefined;
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
