import { expect, test } from "bun:test";
import { Descriptors } from "./descriptors.ts";

function watched(limit: number) {
  const descriptors = new Descriptors(limit);
  const calls: string[] = [];
  const user = {
    onDescriptorsOut: () => void calls.push("out"),
    onDescriptorsFree: () => void calls.push("free"),
  };
  descriptors.subscribe(user);
  return { descriptors, calls, user };
}

test("Descriptors run out at a lower limit, and are free again at a higher one", () => {
  const { descriptors, calls } = watched(100);
  for (let sessions = 0; sessions < 5; sessions += 1) descriptors.take();
  descriptors.setLimit(11);
  expect([calls, descriptors.out]).toEqual([["out"], true]);
  descriptors.setLimit(10);
  descriptors.setLimit(14);
  expect([calls, descriptors.out]).toEqual([["out", "free"], false]);
  descriptors.setLimit(12);
  expect(calls).toEqual(["out", "free"]);
  descriptors.take();
  expect(calls).toEqual(["out", "free", "out"]);
});

test("Descriptors tell those no more who have left", () => {
  const { descriptors, calls, user } = watched(2);
  descriptors.unsubscribe(user);
  descriptors.take();
  expect(calls).toEqual([]);
});
