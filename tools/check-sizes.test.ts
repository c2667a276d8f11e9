import { describe, expect, test } from "bun:test";
import { BUDGET, measure } from "./check-sizes.ts";

const lines = (count: number): string => "a;\n".repeat(count);
const files = (...counts: number[]): Map<string, string> =>
  new Map(counts.map((count, index) => [`src/${index}.ts`, lines(count)]));
const messages = (sources: ReadonlyMap<string, string>): string[] =>
  measure(sources).findings.map(({ path, message }) => `${path}: ${message}`);

describe("measure()", () => {
  test("tells count, median, 90th percentile and the longest", () => {
    expect(measure(files(10, 30, 20, 40, 50, 60, 70, 80, 90, 100)).sizes).toEqual({
      files: 10,
      lines: 550,
      median: 50,
      p90: 90,
      longestFile: "100 (src/9.ts)",
      longestFunction: "none",
    });
  });

  test("counts the last line whether or not it ends", () => {
    expect(measure(new Map([["a", "b\nc"]])).sizes.lines).toBe(2);
  });

  test("finds nothing at the limits", () => {
    const counts = [...Array<number>(9).fill(BUDGET.median), BUDGET.file];
    const body = `function f() {\n${lines(BUDGET.function - 2)}}\n`;
    expect(messages(files(...counts).set("src/f.ts", body))).toEqual([]);
  });

  test("finds a median, a percentile and a file past their limits", () => {
    expect(messages(files(BUDGET.median + 1))).toEqual([
      "src: the median file has 121 lines of 120",
    ]);
    expect(messages(files(1, BUDGET.p90 + 1))).toEqual([
      "src: the file at the 90th percentile has 301 lines of 300",
    ]);
    expect(messages(files(...Array<number>(20).fill(1), 401))).toEqual([
      "src/20.ts: 401 lines of 400",
    ]);
  });

  test("finds a function past its limit, by name", () => {
    const body = `\nfunction f() {\n${lines(BUDGET.function - 1)}}\n`;
    expect(messages(new Map([["src/f.ts", body]]))).toEqual(["src/f.ts: f has 61 lines of 60"]);
  });
});
