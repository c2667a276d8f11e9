import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { javaDouble } from "./java-double.ts";

describe("javaDouble()", () => {
  test.each([
    [0, "0.0"],
    [-0, "-0.0"],
    [1, "1.0"],
    [1.5, "1.5"],
    [0.1, "0.1"],
    [100, "100.0"],
    [1 / 3, "0.3333333333333333"],
    [0.001, "0.001"],
    [0.000_999, "9.99E-4"],
    [0.0001, "1.0E-4"],
    [9_999_999, "9999999.0"],
    [9_999_999.5, "9999999.5"],
    [1e7, "1.0E7"],
    [12_345_678, "1.2345678E7"],
    [1e10, "1.0E10"],
    [1e21, "1.0E21"],
    [123e-20, "1.23E-18"],
    [-2.5e-7, "-2.5E-7"],
    [Number.MAX_VALUE, "1.7976931348623157E308"],
    [5e-324, "5.0E-324"],
  ])("prints %p as %s", (value, text) => expect(javaDouble(value)).toBe(text));

  test("prints JSON that reads back as the same number", () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(finite, (value) => {
        const text = javaDouble(value);
        expect(JSON.parse(text)).toBe(value);
        expect(text).toMatch(/^-?[0-9]+\.[0-9]+(?:E-?[0-9]+)?$/);
      }),
      { numRuns: 1000 },
    );
  });
});
