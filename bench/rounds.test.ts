import { expect, test } from "bun:test";
import { orderOf } from "./rounds.ts";

test("orderOf() gives everybody each place and each neighbour equally often", () => {
  const rounds = Array.from({ length: 6 }, (_, round) => orderOf(["a", "b", "c"], round).join(""));
  expect(rounds.toSorted()).toEqual(["abc", "acb", "bac", "bca", "cab", "cba"]);
});

test("orderOf() bears nobody", () => {
  expect(orderOf([], 3)).toEqual([]);
});
