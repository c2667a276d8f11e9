import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Counter, Gauge, Histogram, histogramSlots } from "./metrics.ts";

function histogram(first: number, last: number): { one: Histogram; page: Float64Array } {
  const page = new Float64Array(histogramSlots(first, last));
  return { one: new Histogram(page, 0, first, last), page };
}

/** The bucket by its definition: the first whose bound is no smaller. */
function slowBucket(value: number, first: number, last: number): number {
  for (let exponent = first; exponent <= last; exponent++)
    if (value <= 2 ** exponent) return exponent - first;
  return last - first + 1;
}

describe("Counter", () => {
  test("adds to its slot and to no other", () => {
    const page = new Float64Array([7, 0, 7]);
    const counter = new Counter(page, 1);
    counter.add(2);
    counter.add(0.5);
    expect(counter.value).toBe(2.5);
    expect([...page]).toEqual([7, 2.5, 7]);
  });

  test("counts bytes exactly far beyond 32 bits", () => {
    const counter = new Counter(new Float64Array(1), 0);
    counter.add(2 ** 52);
    counter.add(1);
    expect(counter.value).toBe(2 ** 52 + 1);
  });
});

describe("Gauge", () => {
  test("goes up, down and to any value", () => {
    const page = new Float64Array(2);
    const gauge = new Gauge(page, 1);
    gauge.add(3);
    gauge.add(-5);
    expect(gauge.value).toBe(-2);
    gauge.set(-1);
    expect([...page]).toEqual([0, -1]);
  });
});

describe("Histogram", () => {
  test("puts each power of two into the bucket that it bounds, and the next number into the next", () => {
    for (let exponent = 0; exponent <= 40; exponent++) {
      const { one, page } = histogram(0, 41);
      one.observe(2 ** exponent);
      one.observe(2 ** exponent + 1);
      expect(page[exponent]).toBe(1);
      expect(page[exponent + 1]).toBe(1);
    }
  });

  test("finds the same bucket as a search for the first bound that is no smaller", () => {
    const sizes = fc.oneof(
      fc.double({ min: 0, max: 2 ** 36, noNaN: true }),
      fc.integer({ min: 0, max: 36 }).map((exponent) => 2 ** exponent),
      fc.nat(),
    );
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: 8, max: 34 }),
        (size, first, last) => {
          const { one, page } = histogram(first, last);
          one.observe(size);
          expect(page.indexOf(1)).toBe(slowBucket(size, first, last));
        },
      ),
    );
  });

  test("counts each value once and sums them", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -10, max: 2 ** 30 })), (values) => {
        const { one, page } = histogram(2, 20);
        for (const value of values) one.observe(value);
        const counts = page.slice(0, -1).reduce((sum, count) => sum + count, 0);
        const sum = values.reduce((total, value) => total + Math.max(0, value), 0);
        expect([counts, page.at(-1)]).toEqual([values.length, sum]);
      }),
    );
  });

  test("takes negative values and NaN as 0, so that its sum stays a number", () => {
    const { one, page } = histogram(0, 2);
    one.observe(-5);
    one.observe(Number.NaN);
    expect([...page]).toEqual([2, 0, 0, 0, 0]);
  });

  test("stays inside its slots", () => {
    const page = new Float64Array(histogramSlots(6, 26) + 2);
    const one = new Histogram(page, 1, 6, 26);
    for (const value of [0, 1, 64, 65, 2 ** 26, 2 ** 26 + 1, 2 ** 52]) one.observe(value);
    expect([page[0], page.at(-1)]).toEqual([0, 0]);
  });
});
