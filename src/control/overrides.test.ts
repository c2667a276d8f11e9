import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { type OverrideEntry, Overrides, type OverrideTarget } from "./overrides.ts";

const A: OverrideTarget = { router: undefined, path: undefined, ip: "10.0.0.1", port: 80 };

function setup() {
  const clock = new FakeClock();
  const changed: string[] = [];
  const expired: OverrideEntry[] = [];
  const overrides = new Overrides(
    clock,
    ({ ip, port }) => changed.push(`${ip}:${port}`),
    (entry) => expired.push(entry),
  );
  return { clock, changed, expired, overrides };
}

describe("Overrides", () => {
  test("hold for every destination that has the endpoint, or for the one that is named", () => {
    const { overrides } = setup();
    overrides.set(A, { weight: 2 }, undefined);
    overrides.set({ ...A, path: "/svc/web" }, { enabled: false }, undefined);
    overrides.set({ ...A, path: "/svc/web", router: "b" }, { weight: 7 }, undefined);
    expect(overrides.of("a", "/svc/api", A)).toEqual({ weight: 2 });
    expect(overrides.of("a", "/svc/web", A)).toEqual({ weight: 2, enabled: false });
    expect(overrides.of("b", "/svc/web", A)).toEqual({ weight: 7, enabled: false });
    expect(overrides.of("a", "/svc/api", { ...A, port: 81 })).toBeUndefined();
    expect(overrides.addresses).toEqual([{ ip: "10.0.0.1", port: 80 }]);
  });

  test("are changed key by key, and end when nothing is wanted any more", () => {
    const { overrides, changed } = setup();
    overrides.set(A, { weight: 2 }, undefined);
    overrides.set(A, { enabled: false }, undefined);
    expect(overrides.of("a", "/x", A)).toEqual({ weight: 2, enabled: false });
    overrides.set(A, { weight: null }, undefined);
    expect(overrides.of("a", "/x", A)).toEqual({ enabled: false });
    overrides.set(A, { enabled: null }, undefined);
    expect([overrides.entries, changed.length]).toEqual([[], 4]);
    overrides.set(A, { enabled: null }, undefined);
    expect(changed).toHaveLength(4);
  });

  test("expire, and say so; a later word replaces the time of an earlier one", () => {
    const { overrides, clock, changed, expired } = setup();
    overrides.set(A, { weight: 0 }, 1_000);
    clock.advance(900);
    overrides.set(A, { weight: 1 }, 1_000);
    clock.advance(900);
    expect(overrides.of("a", "/x", A)).toEqual({ weight: 1 });
    clock.advance(100);
    expect(overrides.of("a", "/x", A)).toBeUndefined();
    expect([changed.length, expired.length, clock.pending]).toEqual([3, 1, 0]);
  });

  test("have a time of their own for each key: none begins or ends with another", () => {
    const { overrides, clock } = setup();
    overrides.set(A, { enabled: false }, undefined);
    overrides.set(A, { weight: 2 }, 1_000);
    clock.advance(1_000);
    expect(overrides.of("a", "/x", A)).toEqual({ enabled: false });
    overrides.set(A, { enabled: false }, 1_000);
    overrides.set(A, { weight: 3 }, undefined);
    expect(overrides.entries.map(({ expiresMs }) => expiresMs !== undefined)).toEqual([
      true,
      false,
    ]);
    clock.advance(1_000);
    expect(overrides.of("a", "/x", A)).toEqual({ weight: 3 });
    overrides.set(A, { weight: null, enabled: true }, undefined);
    expect(overrides.entries).toMatchObject([{ override: { enabled: true } }]);
  });

  test("leave no timer behind when they are taken back or stopped", () => {
    const { overrides, clock } = setup();
    overrides.set(A, { weight: 0 }, 1_000);
    overrides.set(A, { weight: null }, undefined);
    expect(clock.pending).toBe(0);
    overrides.set(A, { weight: 0 }, 1_000);
    overrides.stop();
    expect(clock.pending).toBe(0);
  });
});
