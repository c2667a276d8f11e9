import { expect, test } from "bun:test";
import { coreList, placementOn } from "./placement.ts";

test("placementOn() gives the proxy a core of its own of two", () => {
  expect(placementOn([0, 1], true)).toMatchObject({
    proxy: "0",
    pair: "0,1",
    generator: "1",
    backend: "1",
  });
});

test("placementOn() keeps generator and backend off the pair when there are four", () => {
  expect(placementOn([0, 2, 4, 6], true)).toMatchObject({
    proxy: "0",
    pair: "0,2",
    generator: "4",
    backend: "6",
  });
});

test.each([
  [[0], true],
  [[0, 1], false],
])("placementOn(%p, %p) pins nothing", (cores, canPin) => {
  expect(placementOn(cores, canPin)).toMatchObject({ proxy: undefined, generator: undefined });
});

test("coreList() reads ranges", () => {
  expect(coreList("0-2,5")).toEqual([0, 1, 2, 5]);
});
