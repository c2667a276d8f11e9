// Regular expressions over bytes, matched in one pass: the time for each byte is bounded by the length of the pattern,
// whatever the bytes are. JavaScript's own go back, and may take for ever over a text that somebody else chose.
// The method is Thompson's (Communications of the ACM 11(6), 1968): all states at a time.
import { type ByteSet, type Node, parsePattern } from "./byte-pattern-syntax.ts";

/** States of a compiled pattern; more would make each byte dear. */
const MOST_STATES = 2_000;

type State =
  | { readonly kind: "byte"; readonly set: ByteSet }
  | { readonly kind: "fork"; readonly to: readonly number[] }
  | { readonly kind: "start"; readonly to: number }
  | { readonly kind: "match" };

/** What is known of the bytes so far. */
export type MatchState = "open" | "matched" | "impossible";

/** A compiled pattern. */
export class BytePattern {
  readonly states: readonly State[];
  /** Whether a match may begin after the first byte. */
  readonly floats: boolean;

  private constructor(states: readonly State[]) {
    this.states = states;
    this.floats = reaches(states);
  }

  /** Compiles what stands between the slashes. Answers what is wrong with it as a clause. */
  static compile(
    source: string,
    ignoreCase = false,
  ): { ok: true; pattern: BytePattern } | { ok: false; problem: string } {
    const parsed = parsePattern(source, ignoreCase);
    if (!parsed.ok) return parsed;
    const builder = new Builder();
    const entry = builder.add(parsed.node, builder.push({ kind: "match" }));
    if (builder.isFull)
      return { ok: false, problem: "it is too large once repeats are written out" };
    // The entry is state 0, so that a matcher need not be told.
    builder.states[0] = { kind: "fork", to: [entry] };
    return { ok: true, pattern: new BytePattern(builder.states) };
  }

  /** Looks for the pattern in bytes that come bit by bit. */
  matcher(): PatternMatcher {
    return new PatternMatcher(this);
  }
}

/** One search. */
export class PatternMatcher {
  state: MatchState = "open";
  readonly #pattern: BytePattern;
  #current: number[] = [];
  #next: number[] = [];
  /** In which step a state was last entered. */
  readonly #entered: Int32Array;
  #step = 1;

  constructor(pattern: BytePattern) {
    this.#pattern = pattern;
    this.#entered = new Int32Array(pattern.states.length);
    this.#enter(0, this.#current, true);
  }

  /** Takes more bytes, and answers the state after them. */
  feed(bytes: Uint8Array): MatchState {
    for (const byte of bytes) {
      if (this.state !== "open") break;
      this.#feedByte(byte);
    }
    return this.state;
  }

  #feedByte(byte: number): void {
    this.#step += 1;
    const { states, floats } = this.#pattern;
    for (const index of this.#current) {
      const state = states[index];
      if (state?.kind === "byte" && state.set[byte] === 1)
        this.#enter(index + 1, this.#next, false);
    }
    if (floats) this.#enter(0, this.#next, false);
    [this.#current, this.#next] = [this.#next, this.#current];
    this.#next.length = 0;
    if (this.state === "open" && this.#current.length === 0) this.state = "impossible";
  }

  #enter(index: number, list: number[], atStart: boolean): void {
    const pending = [index];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (this.#entered[at] === this.#step) continue;
      this.#entered[at] = this.#step;
      const state = this.#pattern.states[at];
      if (state?.kind === "byte") list.push(at);
      else if (state?.kind === "match") this.state = "matched";
      else if (state?.kind === "fork") pending.push(...state.to);
      else if (state?.kind === "start" && atStart) pending.push(state.to);
    }
  }
}

/** Whether anything but the start of the text leads on from the entry. */
function reaches(states: readonly State[]): boolean {
  const seen = new Set<number>();
  const pending = [0];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const state = states[at];
    if (state?.kind === "byte" || state?.kind === "match") return true;
    if (state?.kind === "fork") pending.push(...state.to);
  }
  return false;
}

/** Makes states from the end to the beginning: a state that takes a byte is followed by the one after it in the list. */
class Builder {
  readonly states: State[] = [{ kind: "match" }];

  get isFull(): boolean {
    return this.states.length > MOST_STATES;
  }

  push(state: State): number {
    if (!this.isFull) this.states.push(state);
    return this.states.length - 1;
  }

  /** The entry of `node`, after which comes the state `next`. */
  add(node: Node, next: number): number {
    if (this.isFull) return next;
    switch (node.kind) {
      case "set": {
        const entry = this.push({ kind: "byte", set: node.set });
        this.push({ kind: "fork", to: [next] });
        return entry;
      }
      case "start":
        return this.push({ kind: "start", to: next });
      case "sequence":
        return node.nodes.reduceRight((after, part) => this.add(part, after), next);
      case "choice":
        return this.push({ kind: "fork", to: node.nodes.map((part) => this.add(part, next)) });
      case "repeat":
        return this.#addRepeat(node, next);
      default:
        return node satisfies never;
    }
  }

  #addRepeat({ node, min, max }: Extract<Node, { kind: "repeat" }>, next: number): number {
    let entry = next;
    if (max === Number.POSITIVE_INFINITY) {
      const to = [next];
      entry = this.push({ kind: "fork", to });
      to.push(this.add(node, entry));
    } else {
      for (let count = min; count < max; count += 1) {
        entry = this.push({ kind: "fork", to: [this.add(node, entry), next] });
      }
    }
    for (let count = 0; count < min; count += 1) entry = this.add(node, entry);
    return entry;
  }
}
