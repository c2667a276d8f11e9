import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRng } from "../lib/rng.ts";
import { EndpointRow, newEndpointPage } from "../telemetry/endpoint-table.ts";
import { connectTarget } from "../transport/connector.ts";
import { Endpoint } from "./endpoint.ts";
import { createPickers } from "./pickers.ts";
import { Pool } from "./pool.ts";

const PICKERS = createPickers(
  { kind: "p2c" },
  { clock: new FakeClock(), rng: seededRng(7), place: () => 0 },
);
const page = new Float64Array(newEndpointPage(1));

/** Endpoint `id` in `branch`, holding `load` connections. */
function endpoint(id: number, branch: number, load = 0, weight = 1): Endpoint {
  const row = new EndpointRow(page, id, 0, 1);
  row.clear();
  row.addLoad(load);
  const target = connectTarget("127.0.0.1", 1000 + id);
  return new Endpoint({ id, branch, target, weight, row });
}

function poolOf(weights: readonly number[], ...endpoints: readonly Endpoint[]): Pool {
  const pool = new Pool(seededRng(7), PICKERS);
  pool.setBranches(weights.map((weight, branch) => ({ branch, weight })));
  for (const each of endpoints) pool.add(each);
  return pool;
}

/** The share of `picks` that each branch gets. */
function shares(pool: Pool, picks = 10_000): readonly number[] {
  const counts: number[] = [];
  for (let i = 0; i < picks; i += 1) {
    const branch = pool.pick(0)?.branch ?? -1;
    counts[branch] = (counts[branch] ?? 0) + 1;
  }
  return counts.map((count) => count / picks);
}

describe("Pool", () => {
  test("splits connections 90 to 10 among branches within 2 %, whatever the loads and the numbers of endpoints", () => {
    const canaryIsBusy = poolOf(
      [0.9, 0.1],
      endpoint(1, 0),
      endpoint(2, 0),
      endpoint(3, 0),
      endpoint(4, 1, 500),
    );
    const [stable = 0, canary = 0] = shares(canaryIsBusy);
    expect(stable).toBeWithin(0.9 * 0.98, 0.9 * 1.02);
    expect(canary).toBeWithin(0.08, 0.12);
    const canaryIsIdle = poolOf([0.9, 0.1], endpoint(1, 0, 500), endpoint(2, 1), endpoint(3, 1));
    expect(shares(canaryIsIdle)[0]).toBeWithin(0.9 * 0.98, 0.9 * 1.02);
  });

  test("tells when a branch with endpoints gets weight that it had not", () => {
    const pool = poolOf([1, 0], endpoint(1, 0), endpoint(2, 1));
    const set = (...weights: number[]) =>
      pool.setBranches(weights.map((weight, branch) => ({ branch, weight })));
    expect([set(1, 0), set(2, 0), set(2, 1), set(2, 3), set(2, 3, 1)]).toEqual([
      ...[false, false, true, false],
      // The third branch is new, and has none yet.
      false,
    ]);
    pool.setBranches([]);
    expect(set(0, 1)).toBe(true);
  });

  test("gives the share of a branch without endpoints to the others, and gives it back", () => {
    const alone = endpoint(2, 1);
    const pool = poolOf([0.5, 0.3, 0.2], endpoint(1, 0), alone, endpoint(3, 2));
    pool.retire(alone);
    const [first = 0, second = 0, third = 0] = shares(pool);
    expect([second, Math.round(first * 10), Math.round(third * 10)]).toEqual([0, 7, 3]);
    pool.add(alone);
    expect(Math.round((shares(pool)[1] ?? 0) * 10)).toBe(3);
  });

  test("leaves out a branch whose endpoints are all ejected, and tries them only when nothing else is left", () => {
    const a = endpoint(1, 0);
    const b = endpoint(2, 1);
    const pool = poolOf([0.5, 0.5], a, b);
    pool.eject(a);
    expect(shares(pool, 100)[1]).toBe(1);
    expect(pool.panics).toBe(false);
    pool.eject(b);
    expect(pool.panics).toBe(true);
    expect(Math.round((shares(pool)[0] ?? 0) * 10)).toBe(5);
    pool.readmit(a);
    expect(shares(pool, 100)[0]).toBe(1);
  });

  test("gives a branch of weight 0 nothing, even when it is the only one", () => {
    expect(shares(poolOf([1, 0], endpoint(1, 0), endpoint(2, 1)), 100)).toEqual([1]);
    expect(poolOf([0], endpoint(1, 0)).pick(0)).toBeUndefined();
  });

  test("retries at an endpoint that was not tried, in any branch", () => {
    const a = endpoint(1, 0);
    const b = endpoint(2, 1);
    const pool = poolOf([1, 1], a, b);
    expect(pool.pickOther([a], 0)).toBe(b);
    expect(pool.pickOther([a, b], 0)).toBeUndefined();
    expect(shares(pool, 100).length).toBe(2);
  });

  test("picks an endpoint that is live and of a branch with weight, whatever happened before", () => {
    const step = fc.record({
      id: fc.integer({ min: 0, max: 5 }),
      what: fc.constantFrom("add", "retire", "eject", "readmit", "branches"),
      weights: fc.array(fc.constantFrom(0, 0.5, 2), { minLength: 3, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const all = [0, 1, 2, 3, 4, 5].map((id) => endpoint(id, id % 3));
        const live = new Set<Endpoint>();
        let weights: readonly number[] = [1, 1, 1];
        const pool = poolOf(weights);
        for (const { id, what, weights: next } of steps) {
          const each = all[id];
          if (each === undefined) continue;
          if (what === "add" && !live.has(each)) {
            live.add(each);
            pool.add(each);
          } else if (what === "retire" && live.delete(each)) pool.retire(each);
          else if (what === "eject" && live.has(each)) pool.eject(each);
          else if (what === "readmit" && live.has(each)) pool.readmit(each);
          else if (what === "branches") {
            weights = next;
            pool.setBranches(next.map((weight, branch) => ({ branch, weight })));
          }
          const usable = [...live].filter(({ branch }) => (weights[branch] ?? 0) > 0);
          const picked = pool.pick(0);
          if (usable.length === 0) expect(picked).toBeUndefined();
          else expect(usable).toContain(picked as Endpoint);
          const ready = usable.filter(({ state }) => state === "ready");
          if (ready.length > 0) expect(ready).toContain(picked as Endpoint);
        }
      }),
    );
  });
});
