// Blanks comments and the insides of literals in TypeScript, so that checks see code alone. Every offset and line
// stays where it was. An approximation: it knows tokens, not grammar.

/** A string literal, or the plain part of a template. */
export interface Literal {
  readonly text: string;
  /** Offset of its first character, after the quote. */
  readonly at: number;
}

/** A source file as the checks look at it. */
export interface MaskedSource {
  /** As long as the source, with spaces for comments and for what stands between quotes. */
  readonly code: string;
  readonly literals: readonly Literal[];
}

const BLANK = /[^\n]/g;
const SHEBANG = /^#![^\n]*/;
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y;
const STRING = /"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?/y;
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const WORD = /[\w$]+/y;

// After these a slash begins a regular expression; after a value or a closing bracket it divides.
const BEFORE_REGEX =
  /^(?:[-(,=:[!&|?{;+*%<>~^]|return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)?$/;

/** Blanks `source`. */
export function maskSource(source: string): MaskedSource {
  return new Masker(source).run();
}

/** The line of an offset, from 1. */
export function lineAt(source: string, offset: number): number {
  let line = 1;
  for (let at = source.indexOf("\n"); at !== -1 && at < offset; at = source.indexOf("\n", at + 1)) {
    line++;
  }
  return line;
}

class Masker {
  readonly #source: string;
  readonly #parts: string[] = [];
  readonly #literals: Literal[] = [];
  // One entry for each open brace: whether it is the `${` of a template.
  readonly #braces: boolean[] = [];
  #at = 0;
  #last = "";

  constructor(source: string) {
    this.#source = source;
  }

  run(): MaskedSource {
    this.#blank(SHEBANG.exec(this.#source)?.[0] ?? "");
    while (this.#at < this.#source.length) this.#step(this.#source.charAt(this.#at));
    return { code: this.#parts.join(""), literals: this.#literals };
  }

  #step(character: string): void {
    switch (character) {
      case "/":
        return this.#slash();
      case '"':
      case "'":
        return this.#quoted(this.#match(STRING) ?? character);
      case "`":
        this.#keep(character);
        return this.#template();
      case "{":
        this.#braces.push(false);
        return this.#keep(character);
      case "}":
        this.#keep(character);
        if (this.#braces.pop() === true) this.#template();
        return;
      default:
        this.#keep(this.#match(WORD) ?? character);
    }
  }

  #slash(): void {
    const comment = this.#match(COMMENT);
    if (comment !== undefined) return this.#blank(comment);
    const regex = BEFORE_REGEX.test(this.#last) ? this.#match(REGEX) : undefined;
    if (regex === undefined) return this.#keep("/");
    this.#blank(regex);
    this.#last = "a value";
  }

  #quoted(text: string): void {
    const quote = text.charAt(0);
    const closed = text.length > 1 && text.endsWith(quote);
    this.#keep(quote);
    this.#literal(text.slice(1, closed ? -1 : undefined));
    if (closed) this.#keep(quote);
  }

  // From just after a backtick, or after the `}` of a part, to the next part or the closing backtick.
  #template(): void {
    this.#literal(this.#match(TEMPLATE_TEXT) ?? "");
    if (this.#source[this.#at] === "$") {
      this.#keep("${");
      this.#braces.push(true);
    } else if (this.#at < this.#source.length) this.#keep("`");
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#source)?.[0];
  }

  #keep(text: string): void {
    this.#parts.push(text);
    this.#at += text.length;
    if (text.trim() !== "") this.#last = text;
  }

  #blank(text: string): void {
    this.#parts.push(text.replace(BLANK, " "));
    this.#at += text.length;
  }

  #literal(text: string): void {
    this.#literals.push({ text, at: this.#at });
    this.#blank(text);
  }
}
