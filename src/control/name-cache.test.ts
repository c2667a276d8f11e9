import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRng } from "../lib/rng.ts";
import { NameCache, NEW_NAMES_PER_SEC, UNBOUND_TTL_MS } from "./name-cache.ts";

interface Name {
  readonly path: string;
  inUse: boolean;
  isBound: boolean;
}

function scene(paths: number, idleTtlMs = 600_000) {
  const clock = new FakeClock();
  const gone: string[] = [];
  const cache = new NameCache<Name>({
    clock,
    limits: { paths, idleTtlMs },
    onLetGo: ({ path }, reason) => gone.push(`${path} ${reason}`),
  });
  const add = (path: string, state: Partial<Name> = {}): Name => {
    const name = { path, inUse: false, isBound: false, ...state };
    expect(cache.refuses()).toBeUndefined();
    cache.touch(name);
    return name;
  };
  const set = (name: Name, state: Partial<Name>): void => {
    Object.assign(name, state);
    cache.touch(name);
  };
  return { clock, gone, cache, add, set };
}

describe("NameCache", () => {
  test("at the limit lets go the unbound that is idle for longest, then the bound, and none in use", () => {
    const { clock, gone, cache, add, set } = scene(5);
    const old = add("/old", { isBound: true });
    clock.advance(1);
    add("/bound", { isBound: true });
    add("/unbound-1");
    clock.advance(1);
    add("/unbound-2");
    add("/busy", { inUse: true });
    // Used again meanwhile.
    set(old, { inUse: true });
    set(old, { inUse: false });
    for (const path of ["/a", "/b", "/c", "/d"]) add(path, { inUse: true });
    expect(gone).toEqual(["/unbound-1 limit", "/unbound-2 limit", "/bound limit", "/old limit"]);
    expect([cache.refuses(), cache.names.size]).toEqual(["limit", 5]);
  });

  test("lets go unbound names after 10 s, and bound ones after their time, from when they were last used", () => {
    const { clock, gone, cache, add, set } = scene(10, 60_000);
    add("/unbound");
    add("/bound", { isBound: true });
    const busy = add("/busy", { isBound: true, inUse: true });
    clock.advance(UNBOUND_TTL_MS - 1);
    cache.letGoUnused();
    expect(gone).toEqual([]);
    clock.advance(1);
    cache.letGoUnused();
    expect(gone).toEqual(["/unbound unbound"]);
    set(busy, { inUse: false });
    clock.advance(59_999);
    cache.letGoUnused();
    expect(gone.slice(1)).toEqual(["/bound idle"]);
    clock.advance(1);
    cache.letGoUnused();
    expect([gone.slice(2), cache.names.size]).toEqual([["/busy idle"], 0]);
  });

  test("lets so many new names in a second, after a burst of as many as there is room for", () => {
    const { clock, cache, add } = scene(200);
    for (let name = 0; name < 200; name += 1) add(`/${name}`);
    expect(cache.refuses()).toBe("rate");
    let added = 0;
    for (let at = 0; at < 2_000; at += 1) {
      clock.advance(1);
      if (cache.refuses() === undefined) added += 1;
    }
    expect(added).toBe(2 * NEW_NAMES_PER_SEC);
  });

  test("a lower limit lets go what is not in use, and is not held up by the burst of the higher", () => {
    const { clock, gone, cache, add } = scene(10_000);
    for (let name = 0; name < 5_000; name += 1) add(`/${name}`, { isBound: true });
    add("/busy", { inUse: true });
    cache.setLimits({ paths: 2, idleTtlMs: 1_000 });
    expect([gone.length, cache.names.size]).toEqual([4_999, 2]);
    clock.advance(1_000);
    expect(cache.refuses()).toBeUndefined();
  });

  test("of any sequence keeps to the limit, and never lets go a name in use", () => {
    const rng = seededRng(7);
    for (let round = 0; round < 50; round += 1) {
      const clock = new FakeClock();
      const names = new Set<Name>();
      const cache = new NameCache<Name>({
        clock,
        limits: { paths: 8, idleTtlMs: 20_000 },
        onLetGo: (name) => {
          expect(name.inUse).toBe(false);
          names.delete(name);
        },
      });
      for (let step = 0; step < 400; step += 1) {
        const known = [...names];
        const some = known[Math.floor(rng.next() * known.length)];
        if (rng.next() < 0.4 || some === undefined) {
          if (cache.refuses() !== undefined) continue;
          const name = { path: `/${step}`, inUse: rng.next() < 0.5, isBound: false };
          names.add(name);
          cache.touch(name);
        } else {
          some.inUse = rng.next() < 0.4;
          some.isBound ||= rng.next() < 0.3;
          cache.touch(some);
        }
        clock.advance(Math.floor(rng.next() * 3_000));
        if (rng.next() < 0.3) cache.letGoUnused();
        expect(cache.names.size).toBeLessThanOrEqual(8);
        expect(new Set(cache.names)).toEqual(names);
      }
    }
  });
});
