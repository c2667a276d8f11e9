import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SumTree } from "./sum-tree.ts";

const weight = fc.oneof(
  fc.constant(0),
  fc.double({ min: 0, max: 100, noNaN: true }),
  // The ends of the number range, where sums round, underflow and overflow.
  fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
);
const change = fc.record({ index: fc.nat({ max: 40 }), weight });
const changes = fc.array(change, { maxLength: 60 });

function treeOf(weights: readonly number[]): SumTree {
  const tree = new SumTree();
  weights.forEach((w, index) => tree.set(index, w));
  return tree;
}

describe("SumTree", () => {
  test("is empty at first", () => {
    const tree = new SumTree();
    expect(tree.total).toBe(0);
    expect(tree.get(0)).toBe(0);
    expect(tree.get(1000)).toBe(0);
    expect(tree.find(0)).toBe(-1);
  });

  test("finds the index whose stretch of the running sum holds r", () => {
    const tree = treeOf([1, 0, 2, 3]);
    expect([0, 0.9, 1, 2.9, 3, 5.9].map((r) => tree.find(r))).toEqual([0, 0, 2, 2, 3, 3]);
  });

  test("leaves in remainder how far into its stretch r lies", () => {
    const tree = treeOf([1, 0, 2, 3]);
    expect([0.25, 1, 2.5, 5.5].map((r) => (tree.find(r), tree.remainder))).toEqual([
      0.25, 0, 1.5, 2.5,
    ]);
  });

  test("counts a weight that is negative, NaN or infinite as 0", () => {
    const tree = treeOf([-1, Number.NaN, Number.POSITIVE_INFINITY, 2]);
    expect(tree.total).toBe(2);
    expect(tree.find(0)).toBe(3);
  });

  test("keeps what was last set, through every growth", () => {
    fc.assert(
      fc.property(changes, (list) => {
        const tree = new SumTree();
        const model = new Map<number, number>();
        for (const { index, weight } of list) {
          tree.set(index, weight);
          model.set(index, weight);
        }
        for (let index = 0; index <= 41; index++)
          expect(tree.get(index)).toBe(model.get(index) ?? 0);
      }),
    );
  });

  test("has a total that depends on the weights alone, not on the changes that led to them", () => {
    fc.assert(
      fc.property(changes, (list) => {
        const tree = new SumTree();
        for (const { index, weight } of list) tree.set(index, weight);
        const fresh = treeOf(Array.from({ length: 41 }, (_, index) => tree.get(index)));
        // A grown tree and a fresh one may differ in size, which adds zeros only.
        expect(tree.total).toBe(fresh.total);
        for (let index = 0; index <= 40; index++) tree.set(index, 0);
        expect(tree.total).toBe(0);
      }),
    );
  });

  test("agrees with a linear search wherever the sums are exact", () => {
    const whole = fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 70 });
    fc.assert(
      fc.property(whole, (weights) => {
        const tree = treeOf(weights);
        let before = 0;
        for (const [index, w] of weights.entries()) {
          for (let r = before; r < before + w; r += 0.5) {
            expect(tree.find(r)).toBe(index);
            expect(tree.remainder).toBe(r - before);
          }
          before += w;
        }
      }),
    );
  });

  test("never finds an index without weight, whatever r", () => {
    const fraction = fc.oneof(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.constantFrom(0, 1, 1 - Number.EPSILON / 2),
    );
    const stray = fc.double();
    fc.assert(
      fc.property(changes, fc.array(fraction), stray, (list, fractions, other) => {
        const tree = new SumTree();
        for (const { index, weight } of list) tree.set(index, weight);
        for (const r of [...fractions.map((f) => f * tree.total), other]) {
          const index = tree.find(r);
          if (tree.total > 0) expect(tree.get(index)).toBeGreaterThan(0);
          else expect(index).toBe(-1);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
