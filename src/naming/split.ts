// A bound tree as shares of traffic.
import type { BoundTree } from "./tree.ts";

/** Where a share of the traffic goes. */
export interface Branch {
  /** Id of a bound name. */
  readonly id: string;
  /** Of all, 0 to 1. */
  readonly weight: number;
}

/** `neg`: there is no such name. `bound` without branches: the name exists and has no endpoints. */
export type Split =
  { readonly state: "neg" } | { readonly state: "bound"; readonly branches: readonly Branch[] };

/**
 * The names in a tree, each once, with their parts of the traffic, which add up to 1. Weights of a union count relative to
 * each other, and are all the same when all are 0; a union within a union shares out what its branch gets. Branches without
 * endpoints (`empty`) and without names are left out, and the others get their part.
 */
export function branchesOf(tree: BoundTree): Split {
  const found = flatten(tree);
  if (found === undefined) return { state: "neg" };
  const weights = new Map<string, number>();
  for (const { id, weight } of found) weights.set(id, (weights.get(id) ?? 0) + weight);
  return { state: "bound", branches: Array.from(weights, ([id, weight]) => ({ id, weight })) };
}

/** Undefined where there is no such name. */
function flatten(tree: BoundTree): readonly Branch[] | undefined {
  switch (tree.kind) {
    case "leaf":
      return [{ id: tree.value.id, weight: 1 }];
    case "empty":
      return [];
    case "neg":
    case "fail":
      return undefined;
    case "alt":
      // Binding leaves none; another interpreter may.
      return flattenFirst(tree.trees);
    case "union": {
      const parts = tree.branches.flatMap(({ weight, tree: part }) => {
        const branches = flatten(part);
        return branches === undefined ? [] : { weight, branches };
      });
      if (parts.length === 0) return undefined;
      const filled = parts.filter(({ branches }) => branches.length > 0);
      const shares = sharesOf(filled.map(({ weight }) => weight));
      return filled.flatMap(({ branches }, at) =>
        branches.map(({ id, weight }) => ({ id, weight: weight * (shares[at] ?? 0) })),
      );
    }
    default:
      return tree satisfies never;
  }
}

function flattenFirst(trees: readonly BoundTree[]): readonly Branch[] | undefined {
  for (const tree of trees) {
    if (tree.kind === "fail") return undefined;
    const branches = flatten(tree);
    if (branches !== undefined) return branches;
  }
  return undefined;
}

/** Weights made to add up to 1, however large or small they are. */
function sharesOf(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum === 0) return weights.map(() => 1 / weights.length);
  if (Number.isFinite(sum)) return weights.map((weight) => weight / sum);
  // Each weight is finite, but not all of them together.
  return sharesOf(weights.map((weight) => weight / Number.MAX_VALUE));
}
