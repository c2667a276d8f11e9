import { describe, expect, test } from "bun:test";
import { seededRng } from "../lib/rng.ts";
import { describePicker, type TestEndpoint, testEndpoint } from "./picker.contract.ts";
import { RoundRobinPicker } from "./round-robin.ts";

describePicker("RoundRobinPicker", (rng) => new RoundRobinPicker(rng));

function holding(seed: number, ...weights: readonly number[]) {
  const picker = new RoundRobinPicker<TestEndpoint>(seededRng(seed));
  const endpoints = weights.map((weight) => testEndpoint(weight));
  for (const endpoint of endpoints) picker.add(endpoint);
  const picks = (count: number): readonly number[] =>
    Array.from({ length: count }, () => endpoints.indexOf(picker.pick() ?? testEndpoint(0)));
  return { picker, endpoints, picks };
}

function count(picks: readonly number[], index: number): number {
  return picks.filter((picked) => picked === index).length;
}

describe("RoundRobinPicker", () => {
  test("goes round, each once", () => {
    const { picks } = holding(1, 1, 1, 1, 1, 1);
    const [first, second] = [picks(5), picks(5)];
    expect(first.toSorted()).toEqual([0, 1, 2, 3, 4]);
    expect(second).toEqual(first);
  });

  test("takes no notice of load", () => {
    const { endpoints, picks } = holding(1, 1, 1);
    for (const endpoint of endpoints.slice(1)) endpoint.load = 1_000;
    expect(count(picks(100), 1)).toBe(50);
  });

  test("gives each its share by weight in every stretch, to within a turn", () => {
    const weights = [5, 3, 1, 1];
    const { picks } = holding(2, ...weights);
    const all = picks(1_000);
    for (let from = 0; from < 900; from += 7) {
      const stretch = all.slice(from, from + 50);
      for (const [index, weight] of weights.entries())
        expect(Math.abs(count(stretch, index) - 5 * weight)).toBeLessThanOrEqual(2);
    }
  });

  test("begins elsewhere in each process", () => {
    const firsts = new Set(
      Array.from({ length: 50 }, (_, seed) => holding(seed, 1, 1, 1, 1).picks(1)[0]),
    );
    expect(firsts.size).toBe(4);
  });

  test("lets one that comes late neither catch up nor wait longer than a round", () => {
    const { picker, endpoints, picks } = holding(1, 1, 1, 1);
    picks(1_000);
    const late = testEndpoint(1);
    endpoints.push(late);
    picker.add(late);
    expect(count(picks(4), 3)).toBe(1);
    expect(count(picks(400), 3)).toBe(100);
  });

  test("goes on evenly when weights of quite another size have come and gone", () => {
    const { picker, endpoints, picks } = holding(1, 1e-290);
    picks(3);
    for (const weight of [1, 1, 3]) {
      const endpoint = testEndpoint(weight);
      endpoints.push(endpoint);
      picker.add(endpoint);
    }
    const [tiny] = endpoints;
    if (tiny !== undefined) picker.remove(tiny);
    picks(100);
    const all = picks(500);
    expect([1, 2, 3].map((index) => Math.round(count(all, index) / 100))).toEqual([1, 1, 3]);
    expect(picker.weight).toBe(5);
  });
});
