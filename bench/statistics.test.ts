import { describe, expect, test } from "bun:test";
import { pairedRatios, quantile, summarize } from "./statistics.ts";

describe("quantile()", () => {
  test("takes the middle of an odd number of values, whatever their order", () => {
    expect(quantile([9, 1, 5], 0.5)).toBe(5);
  });

  test("lies between the two middle ones of an even number", () => {
    expect(quantile([4, 1, 2, 3], 0.5)).toBe(2.5);
  });

  test("interpolates towards the ends", () => {
    expect(quantile([0, 100], 0.99)).toBe(99);
    expect(quantile([7], 0.99)).toBe(7);
  });

  test("of nothing is not a number", () => {
    expect(quantile([], 0.5)).toBeNaN();
  });
});

test("summarize() gives median and quartiles", () => {
  expect(summarize([1, 2, 3, 4, 5])).toEqual({ median: 3, low: 2, high: 4 });
});

test("pairedRatios() pairs the samples of one round and leaves out rounds that lack one", () => {
  expect(pairedRatios([2, undefined, 9, 4], [1, 1, 3])).toEqual([2, 3]);
});
