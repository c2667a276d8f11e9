// A cursor over the text of a path, a tree or a dtab: white space, labels, numbers, and where a text goes wrong.
// What may follow what is in path.ts, tree-parser.ts and dtab.ts.

/** Where and why a text could not be read. */
export interface ParseFailure {
  readonly ok: false;
  /** From 1. */
  readonly line: number;
  /** In its line, from 1. */
  readonly column: number;
  /** One sentence that shows the place, in Finagle's words: `'/' expected but 'i' found at '[i]nvalid'`. */
  readonly message: string;
}

const PLAIN_RUN = /[0-9A-Za-z_:.#$%-]+/y;
const ESCAPE = /\\x([0-9A-Fa-f]{2})/y;
const DIGITS = /[0-9]*\.?[0-9]*/y;
// Wherever white space may stand, a comment may too; inside a label `#` is an ordinary character.
const SPACE = /(?:[ \t\r\n]|#[^\n]*)*/y;

/** Most of a line that is shown before and after the place of a failure. */
const LONGEST_QUOTE = 200;

/**
 * Reads from left to right. Methods that may fail note the first failure and answer undefined or false; the caller gives up
 * then and asks for `failure()`.
 */
export class Scanner {
  readonly #text: string;
  #at = 0;
  #failure: { readonly at: number; readonly sentence: string } | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Code units read so far. */
  get offset(): number {
    return this.#at;
  }

  /** The next character; empty at the end. */
  peek(): string {
    return this.#text[this.#at] ?? "";
  }

  /** Takes white space and comments. */
  skipSpace(): void {
    this.#at = this.#after(SPACE);
  }

  /** Takes `token` if it is next. */
  eat(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  /** Takes `token`, which must be next. */
  expect(token: string): boolean {
    if (this.eat(token)) return true;
    this.fail(`'${token}'`);
    return false;
  }

  /** Takes white space, after which the text must end. */
  expectEnd(expected = "end of input"): boolean {
    this.skipSpace();
    if (this.#at === this.#text.length) return true;
    this.fail(expected);
    return false;
  }

  /** Whether a label begins here. */
  atLabel(): boolean {
    return this.peek() === "\\" || this.#after(PLAIN_RUN) > this.#at;
  }

  /** Takes a label: one or more of `[0-9A-Za-z_:.#$%-]` and `\xHH`. Its characters stand for bytes. */
  label(): string | undefined {
    let label = "";
    const start = this.#at;
    for (;;) {
      const plainEnd = this.#after(PLAIN_RUN);
      label += this.#text.slice(this.#at, plainEnd);
      this.#at = plainEnd;
      if (this.peek() !== "\\") break;
      const end = this.#after(ESCAPE);
      if (end === this.#at) return this.#brokenEscape();
      label += String.fromCharCode(Number.parseInt(this.#text.slice(this.#at + 2, end), 16));
      this.#at = end;
    }
    return this.#at === start ? this.fail("label char") : label;
  }

  /** Takes digits with at most one `.`; undefined without failure where there are none. The value may be infinite. */
  number(): number | undefined {
    const start = this.#at;
    this.#at = this.#after(DIGITS);
    const digits = this.#text.slice(start, this.#at);
    if (digits === "") return undefined;
    if (this.peek() === ".") return this.fail("number char");
    if (digits !== ".") return Number(digits);
    this.#at = start;
    return this.fail("weight");
  }

  /** Notes that something else was expected here, and answers undefined. */
  fail(expected: string): undefined {
    this.reject(`${expected} expected but ${this.#found()} found`);
  }

  /** Notes a failure here in other words, and answers undefined. */
  reject(sentence: string): undefined {
    this.#failure ??= { at: this.#at, sentence };
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** The first failure; one of no words where nothing has failed. */
  failure(): ParseFailure {
    const { at, sentence } = this.#failure ?? { at: this.#at, sentence: "" };
    const before = this.#text.slice(0, at);
    const lineStart = before.lastIndexOf("\n") + 1;
    const line = before.split("\n").length;
    const message = `${sentence} at '${this.#quote(lineStart, at)}'`;
    return { ok: false, line, column: at - lineStart + 1, message };
  }

  #brokenEscape(): undefined {
    this.#at += 1;
    if (!this.eat("x")) return this.fail("'x'");
    if (/[0-9A-Fa-f]/.test(this.peek())) this.#at += 1;
    return this.fail("hex char");
  }

  #found(): string {
    const found = this.#character(this.#at);
    if (found === "") return this.#at === this.#text.length ? "end of input" : "end of line";
    return `'${found}'`;
  }

  /** The character that begins at `at`; empty at the end of a line or of the text. */
  #character(at: number): string {
    const code = this.#text.codePointAt(at);
    return code === undefined || code === 10 || code === 13 ? "" : String.fromCodePoint(code);
  }

  /** The line with its place in brackets, cut where it is long. */
  #quote(lineStart: number, at: number): string {
    const found = this.#character(at);
    const start = Math.max(lineStart, at - LONGEST_QUOTE);
    const rest = at + found.length;
    const [after = ""] = this.#text.slice(rest, rest + LONGEST_QUOTE).split(/[\r\n]/, 1);
    const cutAfter = after.length === LONGEST_QUOTE && rest + LONGEST_QUOTE < this.#text.length;
    const before = `${start > lineStart ? "..." : ""}${this.#text.slice(start, at)}`;
    return `${before}[${found}]${after}${cutAfter ? "..." : ""}`;
  }

  /** Where a match of the sticky `pattern` here ends; here when there is none. */
  #after(pattern: RegExp): number {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text) ? pattern.lastIndex : this.#at;
  }
}
