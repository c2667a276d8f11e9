// Which dentries of a dtab a path meets, found without going through all of them.
import type { Dentry, Dtab } from "./dtab.ts";
import type { PathLabels } from "./path.ts";
import type { PathTree } from "./tree.ts";

/** The dentries whose prefixes share their beginning. */
interface Node {
  /** What follows with a certain label next. */
  readonly byLabel: Map<string, Node>;
  /** What follows with `*` next. */
  any: Node | undefined;
  /** Positions in the dtab of the dentries whose prefix ends here. */
  readonly ends: number[];
}

/** What a path meets. */
export interface Matching {
  /** The last of the dtab first, which is the order in which they count. */
  readonly dentries: readonly Dentry[];
  /** Places in the index that were looked at: the cost of finding them. */
  readonly visited: number;
}

const NEG: PathTree = { kind: "neg" };
const NONE: readonly Dentry[] = [];

/** A dtab made ready for looking up: a trie of prefixes. */
export class DtabIndex {
  readonly #dtab: Dtab;
  readonly #root: Node = emptyNode();
  readonly #start: readonly Node[] = [this.#root];

  constructor(dtab: Dtab) {
    this.#dtab = dtab;
    for (const [position, { prefix }] of dtab.entries()) {
      let node = this.#root;
      for (const element of prefix) {
        node = element.kind === "any" ? (node.any ??= emptyNode()) : childOf(node, element.label);
      }
      node.ends.push(position);
    }
  }

  /**
   * The tree that takes the place of `path`: `neg` where no dentry matches, the tree of the only one that does, or an
   * alternation of all, the last of the dtab first. What the prefix does not cover is appended to every path of the tree.
   */
  lookup(path: PathLabels): PathTree {
    const trees = this.matching(path).dentries.map(({ prefix, tree }) =>
      appended(tree, residualOf(path, prefix.length)),
    );
    const [only = NEG] = trees;
    return trees.length > 1 ? { kind: "alt", trees } : only;
  }

  /** The dentries whose prefix covers the beginning of `path`. */
  matching(path: PathLabels): Matching {
    const positions = this.#root.ends.slice();
    let visited = 1;
    // With wildcards a path can go several ways at once.
    let nodes = this.#start;
    for (const label of path) {
      nodes = nodesAfter(nodes, label);
      if (nodes.length === 0) break;
      visited += nodes.length;
      for (const { ends } of nodes) for (const position of ends) positions.push(position);
    }
    // Most paths of a delegation meet nothing or one dentry.
    if (positions.length === 0) return { dentries: NONE, visited };
    if (positions.length > 1) positions.sort((a, b) => b - a);
    const dentries: Dentry[] = [];
    for (const position of positions) {
      const dentry = this.#dtab[position];
      if (dentry !== undefined) dentries.push(dentry);
    }
    return { dentries, visited };
  }
}

/** What of `path` is left after the first `covered` labels. */
export function residualOf(path: PathLabels, covered: number): PathLabels {
  return covered === 0 ? path : path.slice(covered);
}

function appended(tree: PathTree, residual: PathLabels): PathTree {
  if (residual.length === 0) return tree;
  switch (tree.kind) {
    case "leaf":
      return { kind: "leaf", value: [...tree.value, ...residual] };
    case "alt":
      return { kind: "alt", trees: tree.trees.map((part) => appended(part, residual)) };
    case "union": {
      const branches = tree.branches.map(({ weight, tree: part }) => ({
        weight,
        tree: appended(part, residual),
      }));
      return { kind: "union", branches };
    }
    case "neg":
    case "fail":
    case "empty":
      return tree;
    default:
      return tree satisfies never;
  }
}

function nodesAfter(nodes: readonly Node[], label: string): readonly Node[] {
  const next: Node[] = [];
  for (const { byLabel, any } of nodes) {
    const exact = byLabel.get(label);
    if (exact !== undefined) next.push(exact);
    if (any !== undefined) next.push(any);
  }
  return next;
}

function childOf(node: Node, label: string): Node {
  const known = node.byLabel.get(label);
  if (known !== undefined) return known;
  const child = emptyNode();
  node.byLabel.set(label, child);
  return child;
}

function emptyNode(): Node {
  return { byLabel: new Map(), any: undefined, ends: [] };
}
