import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Rng, seededRng, systemRng } from "./rng.ts";

function take(rng: Rng, count: number): number[] {
  return Array.from({ length: count }, () => rng.next());
}

describe("seededRng()", () => {
  test("gives the same numbers for the same seed", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        expect(take(seededRng(seed), 20)).toEqual(take(seededRng(seed), 20));
      }),
    );
  });

  test("keeps its sequence from one release to the next, so that a seed in a bug report stays useful", () => {
    expect(take(seededRng(12345), 4)).toEqual(
      [4073106995, 3777757626, 4245502634, 146940948].map((n) => n / 2 ** 32),
    );
  });

  test("gives unrelated numbers for neighbouring seeds", () => {
    const first = Array.from({ length: 10_000 }, (_, seed) => seededRng(seed).next());
    expectUniform(first);
  });

  test("stays in [0, 1) for any seed", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        for (const x of take(seededRng(seed), 100)) {
          expect(x).toBeGreaterThanOrEqual(0);
          expect(x).toBeLessThan(1);
        }
      }),
    );
  });

  test("is uniform, and one number says nothing of the next", () => {
    const numbers = take(seededRng(1), 100_000);
    expectUniform(numbers);
    let product = 0;
    for (let i = 1; i < numbers.length; i++)
      product += ((numbers[i - 1] ?? 0) - 0.5) * ((numbers[i] ?? 0) - 0.5);
    // Correlation of independent neighbours: standard error 1/sqrt(100,000) = 0.003.
    expect(Math.abs((product / numbers.length) * 12)).toBeLessThan(0.015);
  });
});

describe("systemRng()", () => {
  test("stays in [0, 1) and is uniform", () => {
    const numbers = take(systemRng(), 100_000);
    expect(numbers.every((x) => x >= 0 && x < 1)).toBe(true);
    expectUniform(numbers);
  });
});

/** Chi-square over 16 cells; 15 degrees of freedom exceed 60 once in two million runs. */
function expectUniform(numbers: readonly number[]): void {
  const cells = new Float64Array(16);
  for (const x of numbers) {
    const cell = Math.floor(x * 16);
    cells[cell] = (cells[cell] ?? 0) + 1;
  }
  const expected = numbers.length / 16;
  let chiSquare = 0;
  for (const seen of cells) chiSquare += (seen - expected) ** 2 / expected;
  expect(chiSquare).toBeLessThan(60);
}
