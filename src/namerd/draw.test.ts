import { describe, expect, test } from "bun:test";
import { seededRng } from "../lib/rng.ts";
import type { BoundTree } from "../naming/tree.ts";
import { drawName } from "./draw.ts";

const leaf = (id: string): BoundTree => ({ kind: "leaf", value: { id, residual: [] } });
const union = (...branches: readonly (readonly [number, BoundTree])[]): BoundTree => ({
  kind: "union",
  branches: branches.map(([weight, tree]) => ({ weight, tree })),
});

/** How often each name comes in 10,000 draws. */
function counts(tree: BoundTree): Readonly<Record<string, number>> {
  const rng = seededRng(7);
  const found: Record<string, number> = {};
  for (let i = 0; i < 10_000; i += 1) {
    const id = drawName(tree, rng)?.id ?? "none";
    found[id] = (found[id] ?? 0) + 1;
  }
  return found;
}

describe("drawName()", () => {
  test("draws branches in proportion to their weights, without a second try", () => {
    const {
      a = 0,
      b = 0,
      none = 0,
    } = counts(
      union([6, leaf("a")], [3, union([1, leaf("b")], [0, leaf("c")])], [1, { kind: "empty" }]),
    );
    expect(a + b + none).toBe(10_000);
    expect(Math.abs(a - 6_000)).toBeLessThan(250);
    expect(Math.abs(b - 3_000)).toBeLessThan(250);
  });

  test("draws alike where all weights are 0", () => {
    const { a = 0, b = 0 } = counts(union([0, leaf("a")], [0, leaf("b")]));
    expect(a + b).toBe(10_000);
    expect(Math.abs(a - 5_000)).toBeLessThan(250);
  });

  test("never draws a branch without weight beside one that has some", () => {
    const last = { next: () => 1 - 2 ** -53 };
    expect(drawName(union([0.1, leaf("a")], [0.2, leaf("b")], [0, leaf("c")]), last)?.id).toBe("b");
    expect(drawName(union([0, leaf("a")], [1, leaf("b")]), { next: () => 0 })?.id).toBe("b");
  });

  test("takes the first alternative that leads to a name, and none from what is none", () => {
    const tree: BoundTree = { kind: "alt", trees: [{ kind: "neg" }, leaf("a"), leaf("b")] };
    expect(counts(tree)).toEqual({ a: 10_000 });
    for (const kind of ["neg", "fail", "empty"] as const) {
      expect(drawName({ kind }, seededRng(1))).toBeUndefined();
    }
    expect(drawName(union(), seededRng(1))).toBeUndefined();
  });
});
