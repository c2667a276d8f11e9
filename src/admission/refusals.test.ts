import { describe, expect, test } from "bun:test";
import { seededRng } from "../lib/rng.ts";
import { newRefusals, Refusals } from "./refusals.ts";
import { RULE_NUMBERS } from "./rules.ts";

const source = (number: number): Uint32Array => Uint32Array.of(0, 0, 0xffff, number);
const { deny, source_rate: rate } = RULE_NUMBERS;

function setup() {
  const refusals = new Refusals(newRefusals());
  const top = (most: number, nowMs: number) =>
    refusals.top(most, nowMs).map(({ words, refusals: count }) => [words[3], count]);
  return { refusals, top };
}

describe("Refusals", () => {
  test("names who was refused most, with the last rule and when", () => {
    const { refusals } = setup();
    for (let count = 0; count < 3; count += 1) refusals.add(source(1), deny, 1_000);
    refusals.add(source(2), deny, 1_000);
    refusals.add(source(1), rate, 1_500);
    refusals.add(undefined, deny, 2_000);
    expect(refusals.top(9, 2_000)).toEqual([
      { words: [0, 0, 0xffff, 1], refusals: 4, error: 0, rule: "source_rate", lastMs: 1_500 },
      { words: [0, 0, 0xffff, 2], refusals: 1, error: 0, rule: "deny", lastMs: 1_000 },
    ]);
    expect([refusals.total(deny), refusals.total(rate)]).toEqual([5, 1]);
  });

  test("finds those who come often among very many who come once, and says how far it may be wrong", () => {
    const { refusals } = setup();
    const rng = seededRng(1);
    const truth = new Map<number, number>();
    for (let count = 0; count < 20_000; count += 1) {
      const number = rng.next() < 0.5 ? 1 + Math.floor(rng.next() * 4) : 100 + count;
      truth.set(number, (truth.get(number) ?? 0) + 1);
      refusals.add(source(number), deny, 0);
    }
    const found = refusals.top(4, 0);
    expect(found.map(({ words }) => words[3]).toSorted()).toEqual([1, 2, 3, 4]);
    for (const { words, refusals: count, error } of found) {
      const real = truth.get(words[3] ?? 0) ?? 0;
      expect(count).toBeGreaterThanOrEqual(real);
      expect(count - error).toBeLessThanOrEqual(real);
    }
  });

  test("forgets after 20 minutes, and keeps the last 10", () => {
    const { refusals, top } = setup();
    const minute = 60_000;
    refusals.add(source(1), deny, 100 * minute);
    refusals.add(source(1), deny, 109 * minute);
    refusals.add(source(2), deny, 111 * minute);
    refusals.add(source(1), deny, 112 * minute);
    expect(top(9, 112 * minute)).toEqual([
      [1, 3],
      [2, 1],
    ]);
    refusals.add(source(3), deny, 122 * minute);
    expect(top(9, 122 * minute).toSorted()).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    expect(top(9, 133 * minute)).toEqual([[3, 1]]);
    expect(top(9, 143 * minute)).toEqual([]);
    refusals.add(source(4), deny, 200 * minute);
    expect(top(9, 200 * minute)).toEqual([[4, 1]]);
  });
});
