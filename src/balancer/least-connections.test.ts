import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { seededRng } from "../lib/rng.ts";
import { LeastConnectionsPicker } from "./least-connections.ts";
import { describePicker, type TestEndpoint, testEndpoint } from "./picker.contract.ts";

describePicker("LeastConnectionsPicker", (rng) => new LeastConnectionsPicker(rng));

describe("LeastConnectionsPicker", () => {
  test("takes one with the least load for its weight, whatever the loads", () => {
    const pair = fc.record({ load: fc.nat({ max: 50 }), weight: fc.integer({ min: 1, max: 9 }) });
    fc.assert(
      fc.property(fc.integer(), fc.array(pair, { minLength: 1, maxLength: 20 }), (seed, pairs) => {
        const picker = new LeastConnectionsPicker<TestEndpoint>(seededRng(seed));
        const endpoints = pairs.map(({ load, weight }) => testEndpoint(weight, load));
        for (const endpoint of endpoints) picker.add(endpoint);
        const least = Math.min(...endpoints.map(({ load, weight }) => load / weight));
        const picked = picker.pick();
        expect((picked?.load ?? 0) / (picked?.weight ?? 1)).toBe(least);
      }),
    );
  });

  test("gives equals their shares by weight", () => {
    const endpoints = [8, 1, 1].map((weight) => testEndpoint(weight));
    const picker = new LeastConnectionsPicker<TestEndpoint>(seededRng(1));
    for (const endpoint of endpoints) picker.add(endpoint);
    let heavy = 0;
    for (let i = 0; i < 20_000; i += 1) if (picker.pick() === endpoints[0]) heavy += 1;
    expect(heavy / 20_000).toBeWithin(0.79, 0.81);
  });

  test("sees loads that change unannounced", () => {
    const [a, b] = [testEndpoint(1, 1), testEndpoint(1, 2)];
    const picker = new LeastConnectionsPicker<TestEndpoint>(seededRng(1));
    picker.add(a);
    picker.add(b);
    expect(picker.pick()).toBe(a);
    a.load = 3;
    expect(picker.pick()).toBe(b);
  });
});
