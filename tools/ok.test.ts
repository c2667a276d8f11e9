import { describe, expect, test } from "bun:test";
import { chooseSteps, STEPS } from "./ok.ts";

describe("chooseSteps()", () => {
  test("takes all steps when none is named, the tests last", () => {
    expect(chooseSteps([])).toEqual(Object.keys(STEPS) as ReturnType<typeof chooseSteps> & object);
    expect(chooseSteps([])?.at(-1)).toBe("tests");
  });

  test("keeps the order of the steps", () => {
    expect(chooseSteps(["types", "format"])).toEqual(["format", "types"]);
  });

  test("knows no other name", () => {
    expect(chooseSteps(["lint", "spelling"])).toBeUndefined();
  });
});
