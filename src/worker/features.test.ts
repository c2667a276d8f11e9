import { expect, test } from "bun:test";
import { Features, featuresOf } from "./features.ts";

test("what is loaded stays, and nothing is waited for a second time", async () => {
  const features = new Features();
  expect(features.load([])).toBeUndefined();
  expect(() => features.get("pickers")).toThrow("pickers is not loaded");
  await features.load(["pickers", "limits"]);
  expect(features.load(["limits", "pickers"])).toBeUndefined();
  expect(features.load(["clientTls", "limits"])).toBeInstanceOf(Promise);
  expect(features.get("pickers").pickersOf).toBeFunction();
});

test("messages of the life of a worker need nothing", () => {
  for (const type of ["drain", "destroy"] as const) expect(featuresOf({ type })).toEqual([]);
  expect(featuresOf({ type: "confirm", order: 1 })).toEqual([]);
});
