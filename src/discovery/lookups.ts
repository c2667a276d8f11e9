// The lookups that an evaluation of a dtab needs: each followed as long as the last evaluation used it.
import type { Cancel, Clock } from "../lib/clock.ts";
import type { PathLabels } from "../naming/path.ts";
import type { LookupTree, Outcome } from "../naming/tree.ts";
import { lookupUtility } from "../naming/utility-namers.ts";
import type { Namer } from "./namer.ts";

/** A namer in its place. */
export interface MountedNamer {
  /** Whole, with the `#`. */
  readonly prefix: PathLabels;
  readonly namer: Namer;
}

/** One namer asked for one path. */
interface Asked {
  readonly abort: AbortController;
  answer: Outcome<LookupTree>;
  /** The last evaluation that used it. */
  usedIn: number;
}

/** Lookups of one evaluation. Each may be a watch of a source and a leaf of the tree, which our own client takes so many of. */
export const MOST_LOOKUPS = 1_000;
const TOO_MANY: Outcome<LookupTree> & { readonly state: "failed" } = {
  state: "failed",
  cause: "a delegation may ask namers for 1,000 names at most",
};

/** After an evaluation so many times its length belong to others. */
const COST_FACTOR = 10;
/** So much of that is not asked for after a quiet time, so that a name's first answers are used as they come. */
const CREDIT_MS = 500;
const LONGEST_WAIT_MS = 1_000;

/** A character that no label has: they are strings of bytes. */
const BETWEEN_LABELS = "\u0100";

const NEG: Outcome<LookupTree> = { state: "ok", value: { kind: "neg" } };

export class Lookups {
  readonly #namers: readonly MountedNamer[];
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #asked = new Map<string, Asked>();
  #evaluation = 0;
  /** Lookups of the last evaluation, and how many of `#asked` it used. */
  #lookups = 0;
  #used = 0;
  #pending = 0;
  /** Until when past evaluations are paid for. */
  #paidMs = Number.NEGATIVE_INFINITY;
  #cancel: Cancel | undefined;

  /**
   * `namers` in the order in which they count. `changed` is called from a timer, once for all answers that came until then,
   * and the later the more the evaluations before it have cost.
   */
  constructor(namers: readonly MountedNamer[], clock: Clock, changed: () => void) {
    this.#namers = namers;
    this.#clock = clock;
    this.#changed = changed;
  }

  /** Whether one of those that the last evaluation used has not answered yet. */
  get arePending(): boolean {
    return this.#pending > 0;
  }

  /** Why the last evaluation was not answered in full; undefined when it was. */
  get cause(): string | undefined {
    return this.#lookups > MOST_LOOKUPS ? TOO_MANY.cause : undefined;
  }

  /**
   * Runs `evaluate` with the answers of now, and follows from then on what it asked for and nothing else. Lookups beyond the
   * limit have failed.
   */
  during<T>(evaluate: (lookup: (path: PathLabels) => Outcome<LookupTree>) => T): T {
    const startMs = this.#clock.now();
    this.#evaluation += 1;
    this.#lookups = 0;
    this.#used = 0;
    const result = evaluate((path) => this.#lookup(path));
    if (this.#used < this.#asked.size) this.#leaveUnused();
    const costMs = (this.#clock.now() - startMs) * COST_FACTOR;
    this.#paidMs = Math.max(this.#paidMs, startMs) + costMs;
    return result;
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const { abort } of this.#asked.values()) abort.abort();
    this.#asked.clear();
    this.#pending = 0;
  }

  #leaveUnused(): void {
    for (const [key, { abort, answer, usedIn }] of this.#asked) {
      if (usedIn === this.#evaluation) continue;
      if (answer.state === "pending") this.#pending -= 1;
      abort.abort();
      this.#asked.delete(key);
    }
  }

  /** The first namer that knows the path, then the utility namers. What is left of it must be known to say so. */
  #lookup(path: PathLabels): Outcome<LookupTree> {
    this.#lookups += 1;
    if (this.#lookups > MOST_LOOKUPS) return TOO_MANY;
    for (const [index, { prefix, namer }] of this.#namers.entries()) {
      if (!startsWith(path, prefix)) continue;
      const key = `${index}${BETWEEN_LABELS}${path.join(BETWEEN_LABELS)}`;
      const { answer } = this.#ask(key, namer, path, prefix.length);
      if (answer.state !== "ok" || answer.value.kind !== "neg") return answer;
    }
    return lookupUtility(path) ?? NEG;
  }

  #ask(key: string, namer: Namer, path: PathLabels, prefixLength: number): Asked {
    const asked = this.#asked.get(key) ?? this.#begin(key, namer, path.slice(prefixLength));
    if (asked.usedIn !== this.#evaluation) this.#used += 1;
    asked.usedIn = this.#evaluation;
    return asked;
  }

  #begin(key: string, namer: Namer, path: PathLabels): Asked {
    const asked: Asked = { abort: new AbortController(), answer: { state: "pending" }, usedIn: 0 };
    this.#asked.set(key, asked);
    this.#pending += 1;
    const { signal } = asked.abort;
    namer.lookup(path, signal, (answer) => {
      if (signal.aborted || Bun.deepEquals(asked.answer, answer)) return;
      if (asked.answer.state === "pending") this.#pending -= 1;
      if (answer.state === "pending") this.#pending += 1;
      asked.answer = answer;
      this.#schedule();
    });
    return asked;
  }

  #schedule(): void {
    if (this.#cancel !== undefined) return;
    const dueMs = this.#paidMs - CREDIT_MS - this.#clock.now();
    this.#cancel = this.#clock.after(Math.min(Math.max(0, dueMs), LONGEST_WAIT_MS), () => {
      this.#cancel = undefined;
      this.#changed();
    });
  }
}

/** Whether `path` is `prefix` or lies below it. */
export function startsWith(path: PathLabels, prefix: PathLabels): boolean {
  return prefix.every((label, index) => label === path[index]);
}
