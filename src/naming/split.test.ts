import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { anyWeight, fewLabels } from "../../test/support/arbitrary-names.ts";
import { branchesOf } from "./split.ts";
import type { BoundTree } from "./tree.ts";

const leaf = (id: string, residual: readonly string[] = []): BoundTree => ({
  kind: "leaf",
  value: { id, residual },
});
const union = (...parts: [number, BoundTree][]): BoundTree => ({
  kind: "union",
  branches: parts.map(([weight, tree]) => ({ weight, tree })),
});
const NEG: BoundTree = { kind: "neg" };
const FAIL: BoundTree = { kind: "fail" };
const EMPTY: BoundTree = { kind: "empty" };

function shares(tree: BoundTree): Readonly<Record<string, number>> | undefined {
  const split = branchesOf(tree);
  if (split.state === "neg") return undefined;
  return Object.fromEntries(split.branches.map(({ id, weight }) => [id, weight]));
}

describe("branchesOf()", () => {
  test.each<[string, BoundTree, Record<string, number>]>([
    ["a leaf takes all", leaf("a"), { a: 1 }],
    ["in proportion to weight", union([9, leaf("a")], [1, leaf("b")]), { a: 0.9, b: 0.1 }],
    ["weight 0 among others", union([1, leaf("a")], [0, leaf("b")]), { a: 1, b: 0 }],
    ["all weights 0", union([0, leaf("a")], [0, leaf("b")]), { a: 0.5, b: 0.5 }],
    [
      "a union in a union",
      union([1, union([1, leaf("a")], [3, leaf("b")])], [1, leaf("c")]),
      { a: 0.125, b: 0.375, c: 0.5 },
    ],
    [
      "a union of weight 0",
      union([0, union([1, leaf("a")], [3, leaf("b")])], [5, leaf("c")]),
      { a: 0, b: 0, c: 1 },
    ],
    [
      "one id in several branches",
      union([1, leaf("a")], [1, leaf("b")], [2, leaf("a", ["x"])]),
      { a: 0.75, b: 0.25 },
    ],
    ["nothing for empty", union([9, EMPTY], [1, leaf("a")], [3, leaf("b")]), { a: 0.25, b: 0.75 }],
    ["all to the last that is not empty", union([9, EMPTY], [0, leaf("a")]), { a: 1 }],
    [
      "its part, not empty's",
      union([1, union([1, EMPTY], [1, leaf("a")])], [1, leaf("b")]),
      { a: 0.5, b: 0.5 },
    ],
    ["nothing for neg and fail", union([9, NEG], [9, FAIL], [1, leaf("a")]), { a: 1 }],
    ["nobody", EMPTY, {}],
    ["nobody in a union", union([1, EMPTY], [1, NEG]), {}],
    ["the first alternative", { kind: "alt", trees: [NEG, leaf("a"), leaf("b")] }, { a: 1 }],
    [
      "weights that overflow when added",
      union([Number.MAX_VALUE, leaf("a")], [Number.MAX_VALUE, leaf("b")]),
      { a: 0.5, b: 0.5 },
    ],
    ["the smallest weights", union([5e-324, leaf("a")], [5e-324, leaf("b")]), { a: 0.5, b: 0.5 }],
  ])("shares out: %s", (_, tree, expected) => expect(shares(tree)).toEqual(expected));

  test.each<[string, BoundTree]>([
    ["neg", NEG],
    ["fail", FAIL],
    ["a union of them", union([1, NEG], [2, FAIL])],
    ["an empty union", union()],
    ["an alternation of neg", { kind: "alt", trees: [NEG] }],
    ["an alternation that stops at fail", { kind: "alt", trees: [NEG, FAIL, leaf("a")] }],
  ])("knows no such name: %s", (_, tree) => expect(branchesOf(tree)).toEqual({ state: "neg" }));

  test("adds up to 1, with each id once, for any tree", () => {
    const { tree } = fc.letrec<{ tree: BoundTree }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4, depthSize: "small" },
        fewLabels.map((id) => leaf(id)),
        fc.constantFrom(NEG, FAIL, EMPTY),
        fc
          .array(fc.tuple(anyWeight, tie("tree")), { maxLength: 4 })
          .map((parts) => union(...parts)),
      ),
    }));
    fc.assert(
      fc.property(tree, (bound) => {
        const split = branchesOf(bound);
        if (split.state === "neg" || split.branches.length === 0) return;
        const total = split.branches.reduce((sum, { weight }) => sum + weight, 0);
        expect(total).toBeCloseTo(1, 9);
        expect(split.branches.every(({ weight }) => weight >= 0)).toBe(true);
        expect(new Set(split.branches.map(({ id }) => id)).size).toBe(split.branches.length);
      }),
      { numRuns: 500 },
    );
  });
});
