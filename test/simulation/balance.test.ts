// The promises of the pick rule, R1 to R5 of docs/decisions/0001-pick-rule.md, in simulated traffic.
import { describe, expect, test } from "bun:test";
import {
  type MakePicker,
  type Outcome,
  p2c,
  pickerOf,
  rivals,
  type Scenario,
  simulate,
} from "./balance.ts";

const SEED = 20_261;

// As many connections as give the lightest endpoint this many: a relative standard error of its
// share of 1 %, or less where the choice regulates it. The tolerance is five of those.
const CONNECTIONS_OF_LIGHTEST = 10_000;

const TOLERANCE = 0.05;

const cases: Readonly<Record<string, readonly number[]>> = {
  "2 equal": same(2, 1),
  "3 equal": same(3, 1),
  "10 equal": same(10, 1),
  "100 equal": same(100, 1),
  "8:1:1": [8, 1, 1],
  "0.5:0.25:0.25": [0.5, 0.25, 0.25],
  "1 to 10": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  "canary 1:99": [1, 99],
  "canary 1:49.5:49.5": [1, 49.5, 49.5],
  "canary of 1 % among 10": [1, ...same(9, 11)],
  "one of 10x among 100": [10, ...same(99, 1)],
  "100:1 and zeros": [100, 0, 1, 0],
};

function same(count: number, weight: number): number[] {
  return Array.from({ length: count }, () => weight);
}

/** Share of all weight that the lightest endpoint asks for. */
function lightest(weights: readonly number[]): number {
  return Math.min(...weights.filter((w) => w > 0)) / weights.reduce((sum, w) => sum + w, 0);
}

function run(
  weights: readonly number[],
  held: number,
  more: Partial<Scenario> = {},
  make: MakePicker = p2c,
): Outcome {
  const connections = Math.ceil(CONNECTIONS_OF_LIGHTEST / lightest(weights));
  return simulate({ weights, held, connections, seed: SEED, ...more }, make);
}

/** The smallest and the largest share, as multiples of what the weight asks for. */
function extremes(outcome: Outcome): [number, number] {
  const asked = outcome.shares.filter((share) => !Number.isNaN(share));
  return [Math.min(...asked), Math.max(...asked)];
}

function expectShares(outcome: Outcome, tolerance: number): void {
  const [least, most] = extremes(outcome);
  expect(least).toBeGreaterThan(1 - tolerance);
  expect(most).toBeLessThan(1 + tolerance);
}

for (const [name, weights] of Object.entries(cases)) {
  describe(`P2cPicker among ${name}`, () => {
    test("R1: gives shares by weight when connections are short, or few are held", () => {
      expectShares(run(weights, 0), TOLERANCE);
      expectShares(run(weights, 3), TOLERANCE);
    });

    test("R2: gives shares by weight from where the lightest endpoint's fair share is 5 held connections", () => {
      expectShares(run(weights, Math.ceil(5 / lightest(weights))), TOLERANCE);
    });

    test("R3: gives shares by weight in between, where a whole connection is more than the lightest's fair share", () => {
      // R3 asks for 0.5 to 1.5; the rule does as well here as elsewhere.
      for (const fair of [0.5, 1.5])
        expectShares(run(weights, Math.ceil(fair / lightest(weights))), TOLERANCE);
    });
  });
}

describe("P2cPicker", () => {
  test("R2: gives shares by weight with 2,000 held", () => {
    expectShares(run([1, 99], 2000), TOLERANCE);
    expectShares(run([8, 1, 1], 2000), TOLERANCE);
  });

  test("R4: gives 10/109 to one of 10x among 100", () => {
    const weights = [10, ...same(99, 1)];
    for (const held of [0, 10, 100, 1000]) {
      const connections = 200_000;
      const heavy = run(weights, held, { connections }).connections[0] ?? 0;
      expect(Math.abs(heavy / connections / (10 / 109) - 1)).toBeLessThan(0.03);
    }
  });

  test("R4: gives nothing to weight 0", () => {
    for (const held of [0, 10, 100]) {
      const outcome = run([0, 1, 0, 5, 0], held);
      expect([0, 2, 4].map((index) => outcome.connections[index])).toEqual([0, 0, 0]);
    }
  });
});

describe("P2cPicker's fullest endpoint", () => {
  const first = pickerOf(rivals["first drawn"]);
  const plain = pickerOf(rivals["plain l/w"]);
  const connections = 200_000;

  test("R5: is as full as under plain P2C when weights are equal", () => {
    for (const [count, held] of [
      [2, 10],
      [3, 10],
      [10, 50],
      [100, 500],
      [100, 100],
    ] as const) {
      const ours = run(same(count, 1), held, { connections }).peak;
      const theirs = run(same(count, 1), held, { connections }, plain).peak;
      expect(Math.abs(ours - theirs)).toBeLessThan(0.02);
    }
  });

  test("R5: is over its fair share by less than 3/4 of what a mere draw gives, from a fair share of 1 on", () => {
    for (const weights of [
      same(10, 1),
      same(100, 1),
      [8, 1, 1],
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      [1, 99],
    ]) {
      const held = Math.ceil(1 / lightest(weights));
      const [ours, drawn] = [run(weights, held), run(weights, held, {}, first)];
      expect(ours.peak - 1).toBeLessThan(0.75 * (drawn.peak - 1));
    }
  });

  test("R5: is over its fair share by less than half of what a mere draw gives, from a fair share of 5 on", () => {
    for (const weights of [
      same(10, 1),
      same(100, 1),
      [8, 1, 1],
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      [1, 99],
    ]) {
      const held = Math.ceil(5 / lightest(weights));
      const [ours, drawn] = [run(weights, held), run(weights, held, {}, first)];
      expect(ours.peak - 1).toBeLessThan(0.5 * (drawn.peak - 1));
    }
  });
});

describe("P2cPicker with an endpoint ten times slower", () => {
  const slowFirst = (count: number) => [10, ...same(count - 1, 1)];

  /** The share that makes the slow one's load fair: by weight / duration, relative to weight. */
  function idealShare(weights: readonly number[]): number {
    const [first = 0, ...others] = weights;
    const rest = others.reduce((sum, w) => sum + w, 0);
    return ((first / 10 / (first / 10 + rest)) * (first + rest)) / first;
  }

  const slow = [
    { weights: same(2, 1), held: 10 },
    { weights: same(10, 1), held: 50 },
    { weights: same(10, 1), held: 500 },
    { weights: same(100, 1), held: 1000 },
    { weights: [8, 1, 1], held: 100 },
    { weights: [1, 2, 2, 3, 4], held: 100 },
    { weights: [1, 99], held: 500 },
  ];
  for (const { weights, held } of slow) {
    test(`R5: gives it few new connections, so that its load stays fair: ${weights.slice(0, 5)}, ${held} held`, () => {
      const outcome = run(weights, held, {
        connections: 200_000,
        durations: slowFirst(weights.length),
      });
      expect(outcome.shares[0] ?? 1).toBeLessThan(1.5 * idealShare(weights));
      // A mere draw lets the load of a light one grow to nine times its fair share.
      expect(outcome.loads[0] ?? 9).toBeLessThan(1.5);
    });
  }
});
