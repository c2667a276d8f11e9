import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { LoadBalancerConfig } from "../config/types.ts";
import { seededRng } from "../lib/rng.ts";
import { EndpointRow, newEndpointPage } from "../telemetry/endpoint-table.ts";
import { connectTarget } from "../transport/connector.ts";
import { Endpoint } from "./endpoint.ts";
import { createPickers } from "./pickers.ts";
import { Pool } from "./pool.ts";

const UP = { weight: 1, healthy: true, enabled: true };

/** A pool of endpoints with these weights, numbered from 0; every third one is in a second branch where `split`. */
function setup(
  weights: readonly number[],
  threshold: number,
  { split = false, kind = { kind: "p2c" } as LoadBalancerConfig } = {},
) {
  const rng = seededRng(3);
  const parts = { clock: new FakeClock(), rng, place: () => 0 };
  const pool = new Pool(rng, createPickers(kind, parts), threshold);
  pool.setBranches([
    { branch: 0, weight: 1 },
    { branch: 1, weight: split ? 1 : 0 },
  ]);
  const page = new Float64Array(newEndpointPage(1));
  const endpoints = weights.map((weight, id) => {
    const target = connectTarget("127.0.0.1", 1000 + id);
    const branch = split && id % 3 === 2 ? 1 : 0;
    return new Endpoint({ id, branch, target, weight, row: new EndpointRow(page, id, 0, 1) });
  });
  for (const endpoint of endpoints) pool.add(endpoint);
  const set = (id: number, condition: Partial<typeof UP>) => {
    const endpoint = pool.find(id);
    if (endpoint === undefined) return;
    pool.change(endpoint, { ...UP, weight: endpoint.fullWeight, ...condition });
    pool.settle();
  };
  /** The numbers of all that are picked in some time. */
  const picked = () => {
    const ids = Array.from({ length: 500 }, (_, client) => pool.pick(client * 7_919)?.id ?? -1);
    return [...new Set(ids)].sort();
  };
  return { pool, endpoints, set, picked };
}

const TEN = Array.from({ length: 10 }, () => 1);

describe("Panic", () => {
  test("begins below the threshold, lets all enabled endpoints be picked, and ends above it", () => {
    const { pool, set, picked } = setup([1, 1, 1, 1], 50);
    set(3, { enabled: false });
    set(0, { healthy: false });
    expect([pool.panics, picked()]).toEqual([false, [1, 2]]);
    set(1, { healthy: false });
    expect([pool.panics, picked()]).toEqual([true, [0, 1, 2]]);
    set(0, { healthy: true });
    expect([pool.panics, picked()]).toEqual([false, [0, 2]]);
  });

  test("goes by weight, and takes no notice of those that an operator has taken out", () => {
    const { pool, set } = setup([8, 1, 1], 50);
    set(1, { healthy: false });
    set(2, { healthy: false });
    expect(pool.panics).toBe(false);
    set(0, { enabled: false });
    expect(pool.panics).toBe(true);
    set(1, { enabled: false });
    set(2, { enabled: false });
    expect([pool.panics, pool.pick(0)]).toEqual([false, undefined]);
  });

  test("counts those that are ejected with those that are not healthy", () => {
    const { pool, endpoints, set } = setup([1, 1, 1, 1], 50);
    for (const endpoint of endpoints.slice(0, 2)) pool.eject(endpoint);
    expect(pool.panics).toBe(false);
    set(2, { healthy: false });
    expect(pool.panics).toBe(true);
    for (const endpoint of endpoints.slice(0, 2)) pool.readmit(endpoint);
    expect(pool.panics).toBe(false);
  });

  test("does not come and go with one endpoint among twenty that does", () => {
    const { pool, set } = setup([...TEN, ...TEN], 50);
    for (let id = 0; id < 10; id += 1) set(id, { healthy: false });
    let changes = 0;
    let before = pool.panics;
    for (let time = 0; time < 20; time += 1) {
      set(10, { healthy: time % 2 === 1 });
      if (pool.panics !== before) changes += 1;
      before = pool.panics;
    }
    expect([changes, pool.panics]).toEqual([1, true]);
    set(0, { healthy: true });
    set(1, { healthy: true });
    expect(pool.panics).toBe(false);
  });

  test("does not begin at a share that is exactly the threshold, also with weights that are not exact", () => {
    for (const weight of [0.1, 1 / 3, 1e-9, 1e9]) {
      const { pool, set } = setup(
        TEN.map(() => weight),
        50,
      );
      for (let id = 0; id < 5; id += 1) set(id, { healthy: false });
      expect(pool.panics).toBe(false);
      set(5, { healthy: false });
      expect(pool.panics).toBe(true);
    }
  });

  test("is over when nothing is left, whatever rounding leaves of the weights", () => {
    const { pool, endpoints } = setup([0.1, 0.2, 0.3], 50);
    for (const endpoint of endpoints) {
      pool.retire(endpoint);
      pool.settle();
    }
    expect(pool.panics).toBe(false);
  });

  test("is for those that are ejected alone where there is no threshold", () => {
    const { pool, endpoints, set, picked } = setup([1, 1, 1], 0);
    set(0, { healthy: false });
    set(1, { healthy: false });
    expect([pool.panics, picked()]).toEqual([false, [2]]);
    for (const endpoint of endpoints.slice(2)) pool.eject(endpoint);
    expect([pool.panics, picked()]).toEqual([true, [2]]);
  });

  test("has all endpoints tried once by a client before any comes again", () => {
    const { pool, endpoints, set } = setup([1, 1, 1, 1], 90);
    set(1, { healthy: false });
    const tried: Endpoint[] = [];
    for (let time = 0; time < 4; time += 1) {
      const other = pool.pickOther(tried, 5);
      if (other !== undefined) tried.push(other);
    }
    expect(new Set(tried)).toEqual(new Set(endpoints));
    expect(pool.pickOther(tried, 5)).toBeUndefined();
  });

  const step = fc.record({
    id: fc.integer({ min: 0, max: 8 }),
    what: fc.constantFrom("healthy", "enabled", "weight", "eject", "readmit", "retire", "branch"),
    value: fc.boolean(),
  });
  const kinds = fc.constantFrom<LoadBalancerConfig>(
    { kind: "p2c" },
    { kind: "roundRobin" },
    { kind: "leastConnections" },
    { kind: "maglev", maxLoadFactor: 1.25 },
  );

  test("begins and ends as the weights say, and what is picked is always what may be", () => {
    const threshold = fc.constantFrom(0, 1, 30, 50, 100);
    fc.assert(
      fc.property(threshold, kinds, fc.array(step, { maxLength: 60 }), (percent, kind, steps) => {
        const { pool, endpoints, set } = setup(endpointWeights, percent, { split: true, kind });
        let second = 1;
        for (const { id, what, value } of steps) {
          const before = pool.panics;
          const endpoint = endpoints[id];
          if (endpoint === undefined) continue;
          if (what === "healthy" || what === "enabled") {
            set(id, { healthy: endpoint.healthy, enabled: endpoint.enabled, [what]: value });
          } else if (what === "weight") {
            const { healthy, enabled } = endpoint;
            set(id, { healthy, enabled, weight: value ? 3 : 0 });
          } else if (what === "eject") pool.eject(endpoint);
          else if (what === "readmit") pool.readmit(endpoint);
          else if (what === "branch") {
            second = value ? 1 : 0;
            pool.setBranches([
              { branch: 0, weight: 1 },
              { branch: 1, weight: second },
            ]);
            pool.settle();
          } else if (endpoint.state !== "retired") {
            pool.retire(endpoint);
            pool.settle();
          }
          const weighted = endpoints.filter(
            ({ state, branch }) => state !== "retired" && (branch === 0 || second > 0),
          );
          expectRight(pool, weighted, percent, before);
        }
      }),
    );
  });
});

const endpointWeights = [1, 1, 1, 2, 2, 0.5, 0.1, 0.1, 7];

/** `weighted`: those that are resolved, in branches that have weight. */
function expectRight(
  pool: Pool,
  weighted: readonly Endpoint[],
  percent: number,
  before: boolean,
): void {
  const enabled = weighted.filter((each) => each.enabled && each.fullWeight > 0);
  const usable = enabled.filter(({ healthy, state }) => healthy && state === "ready");
  const sum = (all: readonly Endpoint[]) =>
    all.reduce((total, { fullWeight }) => total + fullWeight, 0);
  const share = enabled.length === 0 ? 100 : (100 * sum(usable)) / sum(enabled);
  const picked = pool.pick(11);
  if (percent === 0) {
    const healthy = enabled.filter((each) => each.healthy);
    const mayBe = usable.length > 0 ? usable : healthy;
    if (mayBe.length === 0) expect(picked).toBeUndefined();
    else expect(mayBe).toContain(picked as Endpoint);
    return;
  }
  if (share < percent - 1e-6) expect(pool.panics).toBe(true);
  if (share > Math.min(99.999, percent + 5.001)) expect(pool.panics).toBe(false);
  // Between the two nothing changes.
  if (share > percent + 1e-6 && share < Math.min(100, percent + 5) - 1e-6)
    expect(pool.panics).toBe(before);
  const mayBe = pool.panics ? enabled : usable;
  if (mayBe.length === 0) expect(picked).toBeUndefined();
  else expect(mayBe).toContain(picked as Endpoint);
}
