// Binding: from a path, by the rules of a dtab and the answers of namers, to a tree of names that namers know.
import { type DtabIndex, residualOf } from "./dtab-index.ts";
import type { PathLabels } from "./path.ts";
import type { BoundTree, LookupTree, NameTree, Outcome, Weighted } from "./tree.ts";
import { MAX_DEPTH, WorkLimit } from "./work-limit.ts";

/** What the namers say of a path that begins with `/#/` or `/$/`; `neg` where none knows it. */
export type LookupNamer = (path: PathLabels) => Outcome<LookupTree>;

/**
 * What `path` is bound to, as Finagle's Namer.bind finds it. The dtab comes first; a namer is asked only about a path for
 * which the dtab has nothing (or nothing but one `~`). The tree that comes out has no alternatives, and no `neg` or
 * `fail` in its unions.
 *
 * An alternation gives its first part that is not `neg`: parts after that are not asked for, nor those after a part that is
 * pending or has failed. A union gives those of its branches that are known, and is pending or failed when none is. What
 * cannot end within the limits of work-limit.ts has failed.
 *
 * Works on the answers of this moment: call it again when one of those that it asked for changes.
 */
export function bindPath(
  path: PathLabels,
  dtab: DtabIndex,
  lookupNamer: LookupNamer,
): Outcome<BoundTree> {
  return new Binding(dtab, lookupNamer).bind(path);
}

type Bound = Outcome<BoundTree>;

const NEG: Bound = { state: "ok", value: { kind: "neg" } };

class Binding {
  readonly #dtab: DtabIndex;
  readonly #lookupNamer: LookupNamer;
  readonly #limit = new WorkLimit();
  /** The limit that was reached, which no branch that is well may hide. */
  #stopped: string | undefined;

  constructor(dtab: DtabIndex, lookupNamer: LookupNamer) {
    this.#dtab = dtab;
    this.#lookupNamer = lookupNamer;
  }

  bind(path: PathLabels): Bound {
    const bound = this.#path(path, 0);
    return this.#stopped === undefined ? bound : failed(this.#stopped);
  }

  #path(path: PathLabels, depth: number): Bound {
    if (depth > MAX_DEPTH) {
      return failed(`Max recursion level: ${MAX_DEPTH} reached in Namer lookup`);
    }
    const { dentries, visited } = this.#dtab.matching(path);
    this.#limit.spend(visited + path.length);
    const [first] = dentries;
    const isNeg = dentries.length === 1 && first?.tree.kind === "neg";
    if (first === undefined || isNeg) return this.#namer(path, depth);
    return firstNotNeg(dentries, ({ prefix, tree }) => {
      const residual = residualOf(path, prefix.length);
      return this.#tree(tree, (leaf) => this.#path(leaf.concat(residual), depth + 1));
    });
  }

  #namer(path: PathLabels, depth: number): Bound {
    if (!isNamerPath(path)) return NEG;
    const found = this.#lookupNamer(path);
    if (found.state !== "ok") return found;
    return this.#tree(found.value, (leaf) =>
      leaf.kind === "bound"
        ? { state: "ok", value: { kind: "leaf", value: leaf.name } }
        : this.#path(leaf.path, depth + 1),
    );
  }

  #tree<L>(tree: NameTree<L>, bindLeaf: (leaf: L) => Bound): Bound {
    const cause = this.#limit.enter();
    if (cause !== undefined) this.#stopped = cause;
    const bound = cause === undefined ? this.#withinLimit(tree, bindLeaf) : failed(cause);
    this.#limit.leave();
    return bound;
  }

  #withinLimit<L>(tree: NameTree<L>, bindLeaf: (leaf: L) => Bound): Bound {
    switch (tree.kind) {
      case "leaf":
        return bindLeaf(tree.value);
      case "alt":
        return firstNotNeg(tree.trees, (part) => this.#tree(part, bindLeaf));
      case "union":
        return this.#union(tree.branches, bindLeaf);
      case "neg":
      case "fail":
      case "empty":
        return { state: "ok", value: tree };
      default:
        return tree satisfies never;
    }
  }

  #union<L>(branches: readonly Weighted<L>[], bindLeaf: (leaf: L) => Bound): Bound {
    const outcomes: { readonly weight: number; readonly bound: Bound }[] = [];
    for (const { weight, tree } of branches) {
      outcomes.push({ weight, bound: this.#tree(tree, bindLeaf) });
      if (this.#stopped !== undefined) break;
    }
    const known = outcomes.flatMap(({ weight, bound }) =>
      bound.state === "ok" ? { weight, tree: bound.value } : [],
    );
    if (known.length === 0) {
      const failure = outcomes.find(({ bound }) => bound.state === "failed");
      return failure?.bound ?? outcomes[0]?.bound ?? NEG;
    }
    const kept = known.filter(({ tree }) => tree.kind !== "neg" && tree.kind !== "fail");
    const [only] = kept;
    if (only === undefined) return NEG;
    return {
      state: "ok",
      value: kept.length === 1 ? only.tree : { kind: "union", branches: kept },
    };
  }
}

/** Whether a path is the namers' to know, when no dentry matches. */
export function isNamerPath(path: PathLabels): boolean {
  return path.length > 1 && (path[0] === "#" || path[0] === "$");
}

function firstNotNeg<T>(parts: readonly T[], bind: (part: T) => Bound): Bound {
  for (const part of parts) {
    const bound = bind(part);
    if (bound.state !== "ok" || bound.value.kind !== "neg") return bound;
  }
  return NEG;
}

function failed(cause: string): Bound {
  return { state: "failed", cause };
}
