// The syntax of byte patterns: the part of JavaScript's regular expressions that can be matched in one pass.

/** For each byte 1 when it fits. */
export type ByteSet = Uint8Array;

export type Node =
  | { readonly kind: "set"; readonly set: ByteSet }
  /** The beginning of the text. */
  | { readonly kind: "start" }
  | { readonly kind: "sequence"; readonly nodes: readonly Node[] }
  | { readonly kind: "choice"; readonly nodes: readonly Node[] }
  /** `max` may be Infinity. */
  | { readonly kind: "repeat"; readonly node: Node; readonly min: number; readonly max: number };

export type ParsedPattern =
  { readonly ok: true; readonly node: Node } | { readonly ok: false; readonly problem: string };

/** Longest pattern: its groups may be nested that deep. */
const MOST_CHARACTERS = 500;
/** Largest number in `{n,m}`. */
const MOST_REPEATS = 200;

const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57;
const isWord = (byte: number): boolean =>
  isDigit(byte) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122) || byte === 95;
const isSpace = (byte: number): boolean => byte === 32 || (byte >= 9 && byte <= 13);

const CLASSES: Readonly<Record<string, (byte: number) => boolean>> = {
  d: isDigit,
  D: (byte) => !isDigit(byte),
  w: isWord,
  W: (byte) => !isWord(byte),
  s: isSpace,
  S: (byte) => !isSpace(byte),
};
const CONTROLS: Readonly<Record<string, number>> = { r: 13, n: 10, t: 9, "0": 0 };

/** Reads a pattern. The problem is a clause about it. */
export function parsePattern(source: string, ignoreCase: boolean): ParsedPattern {
  if (source === "") return { ok: false, problem: "it is empty" };
  if (source.length > MOST_CHARACTERS) {
    return { ok: false, problem: `it is longer than ${MOST_CHARACTERS} characters` };
  }
  const parser = new Parser(source, ignoreCase);
  const node = parser.choice();
  parser.expectEnd();
  return parser.problem === undefined ? { ok: true, node } : { ok: false, problem: parser.problem };
}

const EMPTY: Node = { kind: "sequence", nodes: [] };

class Parser {
  problem: string | undefined;
  /** By code points. */
  readonly #source: readonly string[];
  readonly #ignoreCase: boolean;
  #at = 0;

  constructor(source: string, ignoreCase: boolean) {
    this.#source = [...source];
    this.#ignoreCase = ignoreCase;
  }

  choice(): Node {
    const nodes = [this.#sequence()];
    while (this.#take("|")) nodes.push(this.#sequence());
    const [first = EMPTY] = nodes;
    return nodes.length === 1 ? first : { kind: "choice", nodes };
  }

  expectEnd(): void {
    if (this.#peek() !== undefined) this.#fail(`there is no ( for the ${this.#peek()}`);
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    for (let next = this.#peek(); next !== undefined; next = this.#peek()) {
      if (this.problem !== undefined || next === "|" || next === ")") break;
      nodes.push(this.#repeated(this.#atom()));
    }
    return { kind: "sequence", nodes };
  }

  #repeated(node: Node): Node {
    const bounds = this.#bounds();
    if (bounds === undefined) return node;
    // A lazy repeat finds the same: only whether there is a match is asked.
    this.#take("?");
    const following = this.#peek();
    if (following === "*" || following === "+" || following === "?") {
      this.#fail(`there is nothing that the second ${following} repeats`);
    }
    return { kind: "repeat", node, ...bounds };
  }

  #bounds(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take("*")) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.#take("+")) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.#take("?")) return { min: 0, max: 1 };
    if (!this.#take("{")) return undefined;
    const [, low = "", comma, high = ""] =
      /^(\d{1,3})(,?)(\d{0,3})\}/.exec(this.#source.slice(this.#at).join("")) ?? [];
    if (low === "" || (comma === "" && high !== "")) {
      this.#fail("{ must be followed by a number, as in {2} or {2,5}; write \\{ for the character");
      return undefined;
    }
    this.#at += low.length + (comma ?? "").length + high.length + 1;
    const min = Number(low);
    const max = comma === "" ? min : high === "" ? Number.POSITIVE_INFINITY : Number(high);
    if (min > MOST_REPEATS || (max > MOST_REPEATS && Number.isFinite(max)) || min > max) {
      this.#fail(`repeats go from 0 to ${MOST_REPEATS}, the smaller number first`);
    }
    return { min, max };
  }

  #atom(): Node {
    const character = this.#next() ?? "";
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "set", set: this.#bracket() };
      case ".":
        return setOf(() => true);
      case "^":
        return { kind: "start" };
      case "$":
        return this.#fail("a reply has no end that $ could stand for; write \\$ for the character");
      case "*":
      case "+":
      case "?":
      case "{":
        return this.#fail(`there is nothing that ${character} repeats`);
      case "\\": {
        const escaped = this.#escape();
        return typeof escaped === "number" ? this.#byte(escaped) : setOf(escaped);
      }
      default:
        return this.#literal(character);
    }
  }

  #group(): Node {
    if (this.#take("?") && !this.#take(":")) {
      return this.#fail("of groups with (? there is only (?:");
    }
    const node = this.choice();
    if (!this.#take(")")) return this.#fail("a ) is missing");
    return node;
  }

  #bracket(): ByteSet {
    const isNegated = this.#take("^");
    const set = new Uint8Array(256);
    while (this.problem === undefined && !this.#take("]")) this.#bracketItem(set);
    if (this.#ignoreCase) for (let byte = 97; byte <= 122; byte += 1) joinCases(set, byte);
    return isNegated ? set.map((fits) => 1 - fits) : set;
  }

  #bracketItem(set: ByteSet): void {
    const first = this.#bracketByte();
    if (typeof first === "function") {
      for (let byte = 0; byte < 256; byte += 1) if (first(byte)) set[byte] = 1;
      return;
    }
    const isRange = this.#peek() === "-" && this.#source[this.#at + 1] !== "]";
    if (!isRange) {
      set[first] = 1;
      return;
    }
    this.#at += 1;
    const last = this.#bracketByte();
    if (typeof last === "function" || last < first) {
      this.#fail("a range in [] must go from a lower to a higher character");
      return;
    }
    set.fill(1, first, last + 1);
  }

  #bracketByte(): number | ((byte: number) => boolean) {
    const character = this.#next();
    if (character === "\\") return this.#escape();
    const code = character?.codePointAt(0);
    if (code !== undefined && code < 128) return code;
    this.#fail(code === undefined ? "a ] is missing" : "in [] there are ASCII and \\xNN only");
    return 0;
  }

  #escape(): number | ((byte: number) => boolean) {
    const character = this.#next() ?? "";
    if (character === "x") {
      const digits = this.#source.slice(this.#at, this.#at + 2).join("");
      this.#at += 2;
      if (/^[0-9a-f]{2}$/i.test(digits)) return Number.parseInt(digits, 16);
    }
    const found = CLASSES[character] ?? CONTROLS[character];
    if (found !== undefined) return found;
    if (/^[!-/:-@[-`{-~]$/.test(character)) return character.charCodeAt(0);
    this.#fail(`\\${character} is not known here`);
    return 0;
  }

  #literal(character: string): Node {
    const bytes = new TextEncoder().encode(character);
    const nodes = Array.from(bytes, (byte) => this.#byte(byte));
    const [first = EMPTY] = nodes;
    return nodes.length === 1 ? first : { kind: "sequence", nodes };
  }

  #byte(byte: number): Node {
    const set = new Uint8Array(256);
    set[byte] = 1;
    if (this.#ignoreCase) joinCases(set, byte | 32);
    return { kind: "set", set };
  }

  #peek(): string | undefined {
    return this.#source[this.#at];
  }

  #next(): string | undefined {
    const character = this.#peek();
    this.#at += 1;
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at += 1;
    return true;
  }

  #fail(problem: string): Node {
    this.problem ??= problem;
    return EMPTY;
  }
}

function setOf(fits: (byte: number) => boolean): Node {
  return { kind: "set", set: Uint8Array.from({ length: 256 }, (_, byte) => (fits(byte) ? 1 : 0)) };
}

/** `lower` is a lower-case letter, or no letter. */
function joinCases(set: ByteSet, lower: number): void {
  if (lower < 97 || lower > 122) return;
  if (set[lower] === 1 || set[lower - 32] === 1) {
    set[lower] = 1;
    set[lower - 32] = 1;
  }
}
