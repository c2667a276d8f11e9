// The lookups that an evaluation of a dtab needs: each followed as long as the last evaluation used it.
import type { PathLabels } from "../naming/path.ts";
import { printPath } from "../naming/path.ts";
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
  /** Whether the evaluation that runs, or that ran last, used it. */
  used: boolean;
}

const NEG: Outcome<LookupTree> = { state: "ok", value: { kind: "neg" } };

export class Lookups {
  readonly #namers: readonly MountedNamer[];
  readonly #changed: () => void;
  readonly #asked = new Map<string, Asked>();
  #scheduled = false;
  #stopped = false;

  /**
   * `namers` in the order in which they count. `changed` is called in a later turn of the microtask queue, once for all
   * answers that came until then.
   */
  constructor(namers: readonly MountedNamer[], changed: () => void) {
    this.#namers = namers;
    this.#changed = changed;
  }

  /** Whether one of those that the last evaluation used has not answered yet. */
  get arePending(): boolean {
    return this.#asked.values().some(({ answer }) => answer.state === "pending");
  }

  /** Runs `evaluate` with the answers of now, and follows from then on what it asked for and nothing else. */
  during<T>(evaluate: (lookup: (path: PathLabels) => Outcome<LookupTree>) => T): T {
    for (const asked of this.#asked.values()) asked.used = false;
    const result = evaluate((path) => this.#lookup(path));
    for (const [key, asked] of this.#asked) {
      if (asked.used) continue;
      asked.abort.abort();
      this.#asked.delete(key);
    }
    return result;
  }

  stop(): void {
    this.#stopped = true;
    for (const { abort } of this.#asked.values()) abort.abort();
    this.#asked.clear();
  }

  /** The first namer that knows the path, then the utility namers. What is left of it must be known to say so. */
  #lookup(path: PathLabels): Outcome<LookupTree> {
    for (const [index, { prefix, namer }] of this.#namers.entries()) {
      if (!startsWith(path, prefix)) continue;
      const { answer } = this.#ask(`${index}${printPath(path)}`, namer, path.slice(prefix.length));
      if (answer.state !== "ok" || answer.value.kind !== "neg") return answer;
    }
    return lookupUtility(path) ?? NEG;
  }

  #ask(key: string, namer: Namer, path: PathLabels): Asked {
    const known = this.#asked.get(key);
    if (known !== undefined) {
      known.used = true;
      return known;
    }
    const asked: Asked = {
      abort: new AbortController(),
      answer: { state: "pending" },
      used: true,
    };
    this.#asked.set(key, asked);
    const { signal } = asked.abort;
    namer.lookup(path, signal, (answer) => {
      if (signal.aborted || Bun.deepEquals(asked.answer, answer)) return;
      asked.answer = answer;
      this.#schedule();
    });
    return asked;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#changed();
    });
  }
}

/** Whether `path` is `prefix` or lies below it. */
export function startsWith(path: PathLabels, prefix: PathLabels): boolean {
  return prefix.every((label, index) => label === path[index]);
}
