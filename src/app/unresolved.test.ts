import { describe, expect, test } from "bun:test";
import type { BoundState } from "../control/bindings.ts";
import type { Destination } from "../control/destination.ts";
import type { Resolution } from "../naming/resolution.ts";
import { hasEndpoints, unresolvedOf } from "./unresolved.ts";

const BOUND = { state: "bound", endpoints: [] } as const;
const FAILED = { state: "failed", cause: "away" } as const;
const PENDING = { state: "pending" } as const;
const NEG = { state: "neg" } as const;

/** A binding to branches, each with its weight and what is known of it. */
function bound(...branches: readonly (readonly [number, Resolution])[]): BoundState {
  return {
    state: "bound",
    known: branches.some(([, { state }]) => state === "bound" || state === "neg"),
    branches: branches.map(([weight, resolution], index) => ({
      id: `/b${index}`,
      weight,
      name: { resolution, kept: undefined, lastConfirmedMs: undefined },
      endpoints: [],
    })),
    kept: undefined,
    lastConfirmedMs: undefined,
  };
}

function isUnresolved(state: BoundState | undefined): boolean {
  const names = unresolvedOf([{ router: "r", path: "/a", bound: state }]);
  expect(names).toEqual(names.length === 0 ? [] : [{ router: "r", path: "/a" }]);
  return names.length === 1;
}

describe("a name is resolved", () => {
  test("once its source has answered, be it that there is none", () => {
    expect(isUnresolved(bound([1, BOUND]))).toBe(false);
    expect(isUnresolved(bound([1, NEG]))).toBe(false);
    expect(isUnresolved({ ...bound(), state: "neg", known: true })).toBe(false);
  });

  test("not before, and not while its source fails", () => {
    expect(isUnresolved(undefined)).toBe(true);
    expect(isUnresolved(bound([1, PENDING]))).toBe(true);
    expect(isUnresolved(bound([1, FAILED]))).toBe(true);
    expect(isUnresolved({ ...bound(), state: "failed" })).toBe(true);
  });

  test("when all branches are that get connections", () => {
    expect(isUnresolved(bound([1, BOUND], [1, PENDING]))).toBe(true);
    expect(isUnresolved(bound([1, BOUND], [1, FAILED]))).toBe(true);
    expect(isUnresolved(bound([1, BOUND], [0, PENDING]))).toBe(false);
  });
});

test("endpoints count while they are resolved, for the path in its router alone", () => {
  const destination = (...retired: readonly boolean[]) => ({
    router: "r",
    path: "/a",
    endpoints: retired.map((one) => ({ retired: one })) as unknown as Destination["endpoints"],
  });
  const name = { router: "r", path: "/a" };
  expect(hasEndpoints([destination(true, false)], name)).toBe(true);
  expect(hasEndpoints([destination(true)], name)).toBe(false);
  expect(hasEndpoints([destination()], name)).toBe(false);
  expect(hasEndpoints([destination(false)], { router: "s", path: "/a" })).toBe(false);
  expect(hasEndpoints([destination(false)], { router: "r", path: "/b" })).toBe(false);
});
