// Reads one answer of namerd's `bind`: a tree of bound names. Whatever the text, it gives a value or an error.
import { parsePath, type PathLabels } from "../../naming/path.ts";
import type { BoundName, BoundTree, Weighted } from "../../naming/tree.ts";
import { DEFAULT_WEIGHT, MAX_WEIGHT } from "../endpoint-set.ts";
import { quote } from "../quote.ts";
import { isRecord, parseJson } from "../../lib/json.ts";

/** What an answer says. */
export type NamerdTree =
  | {
      readonly ok: true;
      readonly tree: BoundTree;
      /** Weights that cannot be used, taken as 1. */
      readonly repaired: number;
    }
  | {
      readonly ok: false;
      /** One sentence for people. */
      readonly cause: string;
      /** Whether it is what `resolve` would answer: the server does the same for whatever it is asked. */
      readonly isAddresses: boolean;
    };

/** namerd's own limit for the steps of one delegation, so that none of its trees is deeper. */
const DEEPEST = 100;
/** Every leaf is followed by a request of its own. */
const MOST_LEAVES = 1_000;
/** Values of `type` that `resolve` and `addr` use, and trees do not. */
const ADDRESS_TYPES: ReadonlySet<unknown> = new Set(["bound", "failed", "pending"]);

/** Reads one JSON value, as it is written in linkerd's namerd (`bind` of the HTTP controller). */
export function parseNamerdTree(text: string): NamerdTree {
  const value = parseJson(text);
  if (!isRecord(value)) return failure(`namerd answered: ${quote(text)}`);
  if (ADDRESS_TYPES.has(value["type"])) {
    return failure("namerd gave addresses where it was asked for a tree", true);
  }
  const reader = new TreeReader();
  const tree = reader.read(value, 0);
  if (tree === undefined) return failure(`namerd gave a tree that ${reader.problem}`);
  return { ok: true, tree, repaired: reader.repaired };
}

function failure(cause: string, isAddresses = false): NamerdTree {
  return { ok: false, cause, isAddresses };
}

class TreeReader {
  repaired = 0;
  /** Why `read` gave undefined: what the tree does wrong. */
  problem = "";
  #leaves = 0;

  read(node: unknown, depth: number): BoundTree | undefined {
    if (depth > DEEPEST) return this.#fail(`is more than ${DEEPEST} levels deep`);
    if (!isRecord(node)) return this.#fail("has a node that is no object");
    const { type } = node;
    switch (type) {
      case "neg":
      case "fail":
      case "empty":
        return { kind: type };
      case "leaf":
        return this.#leaf(node["bound"]);
      case "alt":
        return this.#alt(node["alt"], depth);
      case "union":
        return this.#union(node["union"], depth);
      default:
        return this.#fail(`has a node of unknown type: ${quote(show(type))}`);
    }
  }

  #leaf(bound: unknown): BoundTree | undefined {
    this.#leaves += 1;
    if (this.#leaves > MOST_LEAVES) return this.#fail(`has more than ${MOST_LEAVES} leaves`);
    if (!isRecord(bound)) return this.#fail("has a leaf without a bound name");
    const { id, path } = bound;
    if (typeof id !== "string" || !parsePath(id).ok) {
      return this.#fail(`has a leaf whose id is no path: ${quote(show(id))}`);
    }
    return { kind: "leaf", value: { id, residual: residualOf(path) } };
  }

  #alt(alt: unknown, depth: number): BoundTree | undefined {
    if (!Array.isArray(alt)) return this.#fail("has an alternation without a list");
    const trees: BoundTree[] = [];
    for (const node of alt) {
      const tree = this.read(node, depth + 1);
      if (tree === undefined) return undefined;
      trees.push(tree);
    }
    return { kind: "alt", trees };
  }

  #union(union: unknown, depth: number): BoundTree | undefined {
    if (!Array.isArray(union)) return this.#fail("has a union without a list");
    const branches: Weighted<BoundName>[] = [];
    for (const branch of union) {
      if (!isRecord(branch)) return this.#fail("has a branch that is no object");
      const tree = this.read(branch["tree"], depth + 1);
      if (tree === undefined) return undefined;
      branches.push({ weight: this.#weight(branch["weight"]), tree });
    }
    return { kind: "union", branches };
  }

  /** As with endpoints: an ordinary share is less harm than none. */
  #weight(value: unknown): number {
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) {
      // -0 passes as 0.
      return Math.min(value, MAX_WEIGHT) + 0;
    }
    this.repaired += 1;
    return DEFAULT_WEIGHT;
  }

  #fail(problem: string): undefined {
    this.problem = problem;
    return undefined;
  }
}

/** Connections have no use for what is left over of a path, so that an unreadable one is as good as none. */
function residualOf(path: unknown): PathLabels {
  const parsed = typeof path === "string" ? parsePath(path) : undefined;
  return parsed?.ok === true ? parsed.labels : [];
}

function show(value: unknown): string {
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
