import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Rng, seededRng } from "../lib/rng.ts";
import { P2cPicker } from "./p2c.ts";
import { describePicker, type TestEndpoint, testEndpoint } from "./picker.contract.ts";

describePicker("P2cPicker", (rng) => new P2cPicker(rng));

/** Gives the numbers in turn, and NaN past their end; `used` tells how many were asked for. */
function script(...numbers: readonly number[]): Rng & { used: number } {
  return {
    used: 0,
    next() {
      return numbers[this.used++] ?? Number.NaN;
    },
  };
}

function picker(rng: Rng, ...endpoints: readonly TestEndpoint[]): P2cPicker<TestEndpoint> {
  const p2c = new P2cPicker<TestEndpoint>(rng);
  for (const endpoint of endpoints) p2c.add(endpoint);
  return p2c;
}

describe("P2cPicker with equal weights", () => {
  const cases = [
    { loads: [5, 3], first: "a", picks: "b" },
    { loads: [4, 3], first: "a", picks: "b" },
    { loads: [3, 3], first: "a", picks: "a" },
    { loads: [3, 3], first: "b", picks: "b" },
    { loads: [3, 4], first: "a", picks: "a" },
  ] as const;
  for (const { loads, first, picks } of cases) {
    test(`picks ${picks} of loads ${loads} when ${first} is drawn first, without a third number`, () => {
      const [a, b] = [testEndpoint(1, loads[0]), testEndpoint(1, loads[1])];
      const rng = script(first === "a" ? 0.1 : 0.9, 0);
      expect(picker(rng, a, b).pick()).toBe(picks === "a" ? a : b);
      expect(rng.used).toBe(2);
    });
  }
});

describe("P2cPicker with unequal weights", () => {
  test("swaps a heavy first for a light second by the excess in connections of the light one, less the draw's bias", () => {
    // 1:4, loads 1 and 6: the heavy one's 6 are 1.5 of the light one's, an excess of 0.5. Only these
    // two are there: heavy first is drawn four times as often as light first. 0.5 / 4 = 0.125.
    const [light, heavy] = [testEndpoint(1, 1), testEndpoint(4, 6)];
    const p2c = picker(script(0.5, 0.5, 0.124, 0.5, 0.5, 0.126), light, heavy);
    expect(p2c.pick()).toBe(light);
    expect(p2c.pick()).toBe(heavy);
  });

  test("swaps a light first for a heavy second by the whole excess", () => {
    const [light, heavy] = [testEndpoint(1, 1), testEndpoint(4, 2)];
    const p2c = picker(script(0.1, 0.5, 0.499, 0.1, 0.5, 0.501), light, heavy);
    expect(p2c.pick()).toBe(heavy);
    expect(p2c.pick()).toBe(light);
  });

  test("keeps the first, without a third number, when the second is the fuller for its weight", () => {
    const [light, heavy] = [testEndpoint(1, 2), testEndpoint(4, 6)];
    const rng = script(0.5, 0.5);
    expect(picker(rng, light, heavy).pick()).toBe(heavy);
    expect(rng.used).toBe(2);
  });

  test("swaps for sure when the excess is large, whatever the weights", () => {
    const [light, heavy] = [testEndpoint(1, 0), testEndpoint(4, 16)];
    expect(picker(script(0.5, 0.5), light, heavy).pick()).toBe(light);
  });

  test("reads load at each pick", () => {
    const [a, b] = [testEndpoint(1, 1), testEndpoint(1, 0)];
    const p2c = picker(script(0.1, 0, 0.1, 0), a, b);
    expect(p2c.pick()).toBe(b);
    b.load = 5;
    expect(p2c.pick()).toBe(a);
  });

  test("draws the second from the others alone, in proportion to weight", () => {
    // Stretches of the sum: a [0, 1), b [1, 3), c [3, 6). With b out: a [0, 1), c [1, 4).
    const [a, b, c] = [testEndpoint(1, 0), testEndpoint(2, 1e9), testEndpoint(3, 0)];
    const p2c = picker(script(0.4, 0, 0.4, 0.24, 0.4, 0.26, 0.4, 0.99), a, b, c);
    expect([p2c.pick(), p2c.pick(), p2c.pick(), p2c.pick()]).toEqual([a, a, c, c]);
  });

  test("asks for one number only when a single endpoint has weight", () => {
    const [a, b] = [testEndpoint(0), testEndpoint(2)];
    const rng = script(0.999);
    expect(picker(rng, a, b).pick()).toBe(b);
    expect(rng.used).toBe(1);
  });

  test("follows the weights exactly while nothing is held", () => {
    const endpoints = [8, 1, 1].map((w) => testEndpoint(w));
    const p2c = picker(seededRng(1), ...endpoints);
    const picks = new Map<TestEndpoint | undefined, number>();
    for (let i = 0; i < 100_000; i++) {
      const picked = p2c.pick();
      picks.set(picked, (picks.get(picked) ?? 0) + 1);
    }
    // Standard error of a share of 0.1: 0.001.
    for (const e of endpoints)
      expect(Math.abs((picks.get(e) ?? 0) / 100_000 - e.weight / 10)).toBeLessThan(0.005);
  });
});

describe("P2cPicker", () => {
  test("takes the second drawn only if it is no fuller for its weight than the first", () => {
    const load = fc.nat({ max: 100 });
    const weight = fc.double({ min: 0.01, max: 100, noNaN: true });
    fc.assert(
      fc.property(fc.integer(), load, load, weight, weight, (seed, l1, l2, w1, w2) => {
        const [a, b] = [testEndpoint(w1, l1), testEndpoint(w2, l2)];
        const rng = seededRng(seed);
        const firstIsA = seededRng(seed).next() * (w1 + w2) < w1;
        const picked = picker(rng, a, b).pick();
        const [first, second] = firstIsA ? [a, b] : [b, a];
        if (picked === second)
          expect(second.load / second.weight).toBeLessThanOrEqual(first.load / first.weight);
        else expect(picked).toBe(first);
      }),
    );
  });

  test("survives weights whose sum overflows", () => {
    const endpoints = [1e308, 1e308, 1e308].map((w) => testEndpoint(w));
    const p2c = picker(seededRng(1), ...endpoints);
    for (let i = 0; i < 100; i++) expect(endpoints).toContain(p2c.pick() ?? testEndpoint(0));
  });
});
