// Endpoints of a pool that are full: they leave its pickers and come back, whatever happens to them meanwhile.
import { describe, expect, test } from "bun:test";
import { seededRng } from "../lib/rng.ts";
import { EndpointRow, newEndpointPage } from "../telemetry/endpoint-table.ts";
import { connectTarget } from "../transport/connector.ts";
import { Endpoint } from "./endpoint.ts";
import { P2cPicker } from "./p2c.ts";
import { Pool } from "./pool.ts";

const page = new Float64Array(newEndpointPage(1));

function endpoint(id: number, branch = 0): Endpoint {
  const row = new EndpointRow(page, id, 0, 1);
  return new Endpoint({ id, branch, target: connectTarget("127.0.0.1", id), weight: 1, row });
}

function setup(...branches: readonly number[]) {
  const rng = seededRng(1);
  const make = () => new P2cPicker<Endpoint>(rng);
  const pool = new Pool(rng, { byClient: false, latencies: undefined, make });
  pool.setBranches(branches.map((branch) => ({ branch, weight: 1 })));
  const picked = () => new Set(Array.from({ length: 200 }, () => pool.pick(0)?.id));
  return { pool, picked };
}

describe("A pool with full endpoints", () => {
  test("picks others, also while it passes over what was tried, and nothing when all are full", () => {
    const { pool, picked } = setup(0);
    const [one, two, three] = [endpoint(1), endpoint(2), endpoint(3)];
    for (const each of [one, two, three]) pool.add(each);
    pool.park(two);
    expect(picked()).toEqual(new Set([1, 3]));
    expect(pool.pickOther([one, two], 0)).toBe(three);
    expect(picked()).toEqual(new Set([1, 3]));
    pool.park(one);
    pool.park(three);
    expect([picked(), pool.panics]).toEqual([new Set([undefined]), false]);
    pool.unpark(two);
    expect(picked()).toEqual(new Set([2]));
  });

  test("gives their branch's share to the others", () => {
    const { pool, picked } = setup(0, 1);
    const [one, two] = [endpoint(1, 0), endpoint(2, 1)];
    pool.add(one);
    pool.add(two);
    pool.park(one);
    expect(picked()).toEqual(new Set([2]));
    pool.setBranches([{ branch: 1, weight: 1 }]);
    pool.unpark(one);
    expect(picked()).toEqual(new Set([2]));
  });

  test("tries ejected ones only when no ready one is merely full", () => {
    const { pool, picked } = setup(0);
    const [full, failing] = [endpoint(1), endpoint(2)];
    pool.add(full);
    pool.add(failing);
    pool.eject(failing);
    pool.park(full);
    expect(picked()).toEqual(new Set([undefined]));
    pool.eject(full);
    expect([picked(), pool.panics]).toEqual([new Set([2]), true]);
    pool.readmit(failing);
    pool.unpark(full);
    expect(picked()).toEqual(new Set([2]));
    pool.readmit(full);
    expect(picked()).toEqual(new Set([1, 2]));
  });

  test("keeps none that is retired", () => {
    const { pool, picked } = setup(0);
    const one = endpoint(1);
    pool.add(one);
    pool.park(one);
    pool.retire(one);
    pool.unpark(one);
    pool.park(one);
    expect([pool.parked.size, picked()]).toEqual([0, new Set([undefined])]);
    pool.add(one);
    expect(picked()).toEqual(new Set([1]));
  });

  test("shows all of them in turn, some at a time", () => {
    const { pool } = setup(0);
    for (let id = 0; id < 5; id += 1) {
      const each = endpoint(id);
      pool.add(each);
      pool.park(each);
    }
    const seen = [0, 1, 2].map(() => pool.someParked(2).map(({ id }) => id));
    expect(seen).toEqual([
      [0, 1],
      [2, 3],
      [4, 0],
    ]);
    expect(pool.someParked(9)).toHaveLength(5);
  });
});
