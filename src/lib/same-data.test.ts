import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { changedKeys, sameData } from "./same-data.ts";

describe("sameData()", () => {
  test("compares what is inside", () => {
    expect(sameData({ a: [1, { b: "x" }] }, { a: [1, { b: "x" }] })).toBe(true);
    expect(sameData({ a: [1, { b: "x" }] }, { a: [1, { b: "y" }] })).toBe(false);
    expect(sameData([1], [1, undefined])).toBe(false);
    expect(sameData([], {})).toBe(false);
    expect(sameData(null, {})).toBe(false);
    expect(sameData(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)).toBe(true);
  });

  test("takes a key that is missing for one that is undefined", () => {
    expect(sameData({ tls: undefined }, {})).toBe(true);
    expect(sameData({ tls: undefined }, { tls: null })).toBe(false);
  });

  test("looks no further than the first difference", () => {
    const trap = {
      get value(): never {
        throw new Error("looked at");
      },
    };
    expect(sameData([1, trap], [2, trap])).toBe(false);
    expect(sameData({ list: [1], trap }, { list: [], trap: {} })).toBe(false);
  });

  test("says of any data that it is the same as its copy", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => sameData(value, structuredClone(value))));
  });

  test("agrees with the texts of JSON, where keys are in order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.array(fc.integer()), (a, b) => {
        expect(sameData(a, b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
  });
});

test("changedKeys() names the keys that came, went or changed", () => {
  expect(changedKeys({ a: 1, b: 2, c: 3 }, { b: 2, c: 4, d: 5 })).toEqual(["a", "c", "d"]);
});
