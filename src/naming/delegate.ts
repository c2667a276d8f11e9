// Explaining: every step from a path to what it is bound to, with the alternatives that binding would not try.
import { isNamerPath, type LookupNamer } from "./bind.ts";
import type { DelegateTree } from "./delegate-tree.ts";
import { type Dentry, printDtab } from "./dtab.ts";
import { type DtabIndex, residualOf } from "./dtab-index.ts";
import { type PathLabels, printPath } from "./path.ts";
import type { NameTree, Outcome } from "./tree.ts";
import { MAX_DEPTH, WorkLimit } from "./work-limit.ts";

/** Work of one explanation, counted in characters of what it would be printed as: each step repeats its rule. */
const MAX_TEXT = 2_000_000;
/** What a step takes besides its path and its rule. */
const STEP_TEXT = 64;

/**
 * The tree of all steps from `path`, as linkerd's delegator shows it: all alternatives and branches are followed, and what
 * fails or goes beyond the limits of work-limit.ts is an `exception`. Steps that stay at the same path are shown as one.
 * Where a namer rewrites a path, linkerd shows only the path it became; here the rewriting is a step.
 *
 * Pending where any answer of a namer is pending. Never failed.
 */
export function explain(
  path: PathLabels,
  dtab: DtabIndex,
  lookupNamer: LookupNamer,
): Outcome<DelegateTree> {
  return new Explanation(dtab, lookupNamer).of(path);
}

/** Where a step stands: its path, printed, and the dentry that led there. */
type Place = Pick<DelegateTree, "path" | "dentry">;

/** How a tree is shown. */
interface Reading<L> {
  readonly here: Place;
  /** Whether `~`, `!` and `$` are shown as they are written, or by the path that they are the answer for. */
  readonly showsWords: boolean;
  leaf(value: L): DelegateTree;
}

class Explanation {
  readonly #dtab: DtabIndex;
  readonly #lookupNamer: LookupNamer;
  readonly #limit = new WorkLimit(MAX_TEXT);
  readonly #ruleText = new Map<Dentry, number>();
  #isPending = false;

  constructor(dtab: DtabIndex, lookupNamer: LookupNamer) {
    this.#dtab = dtab;
    this.#lookupNamer = lookupNamer;
  }

  of(path: PathLabels): Outcome<DelegateTree> {
    const value = this.#path(path, undefined, 0);
    return this.#isPending ? { state: "pending" } : { state: "ok", value };
  }

  #path(path: PathLabels, dentry: Dentry | undefined, depth: number): DelegateTree {
    const here = { path: printPath(path), dentry };
    if (depth > MAX_DEPTH) return exception(here, "Max recursion level reached.");
    const { dentries, visited } = this.#dtab.matching(path);
    this.#limit.spend(visited);
    const steps = this.#parts(dentries, (match) => this.#dentry(match, path, here.path, depth));
    const [only] = dentries;
    // As in binding: a dtab that has nothing to say but `~` leaves the path to the namers.
    if (only === undefined || (dentries.length === 1 && only.tree.kind === "neg")) {
      const answer = this.#namer(path, here, depth);
      if (only === undefined) return answer;
      if (answer.kind !== "neg") return alternation(here, [...steps, answer]);
    }
    return alternation(here, steps);
  }

  #dentry(dentry: Dentry, path: PathLabels, printed: string, depth: number): DelegateTree {
    const residual = residualOf(path, dentry.prefix.length);
    return this.#tree(dentry.tree, {
      here: { path: printed, dentry },
      showsWords: true,
      leaf: (leaf) => this.#path(leaf.concat(residual), dentry, depth + 1),
    });
  }

  #namer(path: PathLabels, here: Place, depth: number): DelegateTree {
    if (!isNamerPath(path)) return { ...here, kind: "neg" };
    const answer = this.#lookupNamer(path);
    switch (answer.state) {
      case "pending":
        this.#isPending = true;
        return { ...here, kind: "neg" };
      case "failed":
        return exception(here, answer.cause);
      case "ok":
        return this.#tree(answer.value, {
          here,
          showsWords: false,
          leaf: (leaf) =>
            leaf.kind === "bound"
              ? { ...here, kind: "leaf", bound: leaf.name }
              : step(here, this.#path(leaf.path, here.dentry, depth + 1)),
        });
      default:
        return answer satisfies never;
    }
  }

  #tree<L>(tree: NameTree<L>, reading: Reading<L>): DelegateTree {
    this.#limit.spend(this.#textOf(reading.here));
    const cause = this.#limit.enter();
    const shown =
      cause === undefined ? this.#withinLimit(tree, reading) : exception(reading.here, cause);
    this.#limit.leave();
    return shown;
  }

  #withinLimit<L>(tree: NameTree<L>, reading: Reading<L>): DelegateTree {
    const { here } = reading;
    const word = (text: string): Place => (reading.showsWords ? { ...here, path: text } : here);
    switch (tree.kind) {
      case "leaf":
        return reading.leaf(tree.value);
      case "neg":
        return { ...word("~"), kind: "neg" };
      case "fail":
        return { ...word("!"), kind: "fail" };
      case "empty":
        return { ...word("$"), kind: "empty" };
      case "alt":
        return alternation(
          here,
          this.#parts(tree.trees, (part) => this.#tree(part, reading)),
        );
      case "union": {
        const branches = this.#parts(tree.branches, (branch) => ({
          weight: branch.weight,
          tree: this.#tree(branch.tree, reading),
        }));
        return union(here, branches);
      }
      default:
        return tree satisfies never;
    }
  }

  /** Shows each part; past the limit, which the last one that is shown tells of, the rest is left out. */
  #parts<P, S>(parts: readonly P[], show: (part: P) => S): readonly S[] {
    const shown: S[] = [];
    for (const part of parts) {
      if (shown.length > 0 && this.#limit.cause !== undefined) break;
      shown.push(show(part));
    }
    return shown;
  }

  #textOf({ path, dentry }: Place): number {
    if (dentry === undefined) return path.length + STEP_TEXT;
    const known = this.#ruleText.get(dentry);
    const rule = known ?? printDtab([dentry]).length;
    if (known === undefined) this.#ruleText.set(dentry, rule);
    return path.length + rule + STEP_TEXT;
  }
}

/** One step on; no step where the path stays the same, unless there is nothing at its end. */
function step(here: Place, next: DelegateTree): DelegateTree {
  const isEnd = next.kind === "neg" || next.kind === "fail" || next.kind === "empty";
  if (next.path === here.path && !isEnd) return { ...next, dentry: here.dentry };
  return { ...here, kind: "delegate", next };
}

function alternation(here: Place, trees: readonly DelegateTree[]): DelegateTree {
  const [only] = trees;
  if (only === undefined) return { ...here, kind: "neg" };
  if (trees.length === 1) return step(here, only);
  const isSame = (tree: DelegateTree): boolean => tree.path === here.path;
  const flat = trees.flatMap((tree) => (tree.kind === "alt" && isSame(tree) ? tree.trees : tree));
  return { ...here, kind: "alt", trees: flat };
}

function union(
  here: Place,
  branches: readonly { readonly weight: number; readonly tree: DelegateTree }[],
): DelegateTree {
  const [only] = branches;
  if (only === undefined) return { ...here, kind: "neg" };
  return branches.length === 1 ? step(here, only.tree) : { ...here, kind: "union", branches };
}

function exception(here: Place, message: string): DelegateTree {
  return { ...here, kind: "exception", message };
}
