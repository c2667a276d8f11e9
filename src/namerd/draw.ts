// One name out of a bound tree, as namerd's `resolve` takes it.
import type { Rng } from "../lib/rng.ts";
import type { BoundName, BoundTree, Weighted } from "../naming/tree.ts";

/**
 * The name at the end of a tree: of a union one branch by chance, in proportion to weight (alike where all weights are 0),
 * without a second try where that branch leads to nothing; of alternatives the first that leads to a name.
 */
export function drawName(tree: BoundTree, rng: Rng): BoundName | undefined {
  switch (tree.kind) {
    case "leaf":
      return tree.value;
    case "neg":
    case "fail":
    case "empty":
      return undefined;
    case "alt":
      for (const alternative of tree.trees) {
        const name = drawName(alternative, rng);
        if (name !== undefined) return name;
      }
      return undefined;
    case "union": {
      const branch = drawBranch(tree.branches, rng);
      return branch && drawName(branch, rng);
    }
    default:
      return tree satisfies never;
  }
}

function drawBranch(branches: readonly Weighted<BoundName>[], rng: Rng): BoundTree | undefined {
  const total = branches.reduce((sum, { weight }) => sum + weight, 0);
  const shareOf = (weight: number): number => (total > 0 ? weight / total : 1 / branches.length);
  let left = rng.next();
  for (const { weight, tree } of branches) {
    left -= shareOf(weight);
    if (left < 0) return tree;
  }
  // Sums of fractions may come out a little below 1.
  return branches.findLast(({ weight }) => weight > 0 || total === 0)?.tree;
}
