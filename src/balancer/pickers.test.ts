import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { fakeWorld } from "../../test/support/fake-world.ts";
import type { LoadBalancerConfig } from "../config/types.ts";
import { hashAddress } from "../lib/hash.ts";
import { seededRng } from "../lib/rng.ts";
import { EndpointRow, newEndpointPage } from "../telemetry/endpoint-table.ts";
import { connectTarget } from "../transport/connector.ts";
import { Endpoint } from "./endpoint.ts";
import { createPickers } from "./pickers.ts";
import { Pool } from "./pool.ts";

const CONFIGS: readonly LoadBalancerConfig[] = [
  { kind: "p2c" },
  { kind: "ewma", decayTimeMs: 10_000 },
  { kind: "leastConnections" },
  { kind: "roundRobin" },
  { kind: "aperture", minAperture: 1, lowLoad: 0.5, highLoad: 2, smoothWindowMs: 5_000 },
  { kind: "maglev", maxLoadFactor: 1.25 },
];
const MAGLEV: LoadBalancerConfig = { kind: "maglev", maxLoadFactor: Number.POSITIVE_INFINITY };

const CLIENTS = Array.from({ length: 10_000 }, (_, i) => hashAddress(`10.9.${i >> 8}.${i & 255}`));

/** A pool with as many endpoints in each branch as `sizes` says, numbered through. */
function poolOf(config: LoadBalancerConfig, weights: readonly number[], sizes: readonly number[]) {
  const parts = { clock: new FakeClock(), rng: seededRng(1), place: () => 0.5 };
  const pool = new Pool(seededRng(2), createPickers(config, parts));
  pool.setBranches(weights.map((weight, branch) => ({ branch, weight })));
  const page = new Float64Array(newEndpointPage(1));
  let id = 0;
  const endpoints = sizes.flatMap((size, branch) =>
    Array.from({ length: size }, () => {
      id += 1;
      const row = new EndpointRow(page, id, 0, 1);
      const target = connectTarget(`10.0.0.${id}`, 80);
      return new Endpoint({ id, branch, target, weight: 1, row });
    }),
  );
  for (const endpoint of endpoints) pool.add(endpoint);
  return { pool, endpoints };
}

for (const config of CONFIGS) {
  describe(`A pool with ${config.kind}`, () => {
    test("retries at endpoints not tried yet until none is left, and has them all again", () => {
      const { pool, endpoints } = poolOf(config, [1], [6]);
      const tried: Endpoint[] = [];
      for (let i = 0; i < 6; i += 1) {
        const other = pool.pickOther(tried, 42);
        expect(tried).not.toContain(other ?? endpoints[0]);
        if (other !== undefined) tried.push(other);
      }
      expect(tried.length).toBe(6);
      expect(pool.pickOther(tried, 42)).toBeUndefined();
      expect(pool.pick(42)).toBeDefined();
    });

    test("gives nothing to what is ejected while others are ready, and all to them otherwise", () => {
      const { pool, endpoints } = poolOf(config, [1], [3]);
      const [bad, ...good] = endpoints;
      if (bad === undefined) throw new Error("none");
      pool.eject(bad);
      for (const client of CLIENTS.slice(0, 100)) expect(pool.pick(client)).not.toBe(bad);
      for (const endpoint of good) pool.eject(endpoint);
      expect(pool.panics).toBe(true);
      expect(pool.pick(1)).toBeDefined();
    });

    test("splits connections 90 to 10 among branches", () => {
      const { pool } = poolOf(config, [0.9, 0.1], [2, 5]);
      const canary = CLIENTS.filter((client) => pool.pick(client)?.branch === 1).length;
      // Five standard errors of a tenth of 10,000.
      expect(canary).toBeWithin(850, 1_150);
    });
  });
}

describe("A pool with maglev", () => {
  test("keeps clients to their branch of a split as well as to their endpoint", () => {
    const { pool } = poolOf(MAGLEV, [0.7, 0.3], [5, 5]);
    const pick = () => CLIENTS.map((client) => pool.pick(client));
    expect(pick()).toEqual(pick());
  });

  test("moves only the clients that a change of the split has to move", () => {
    const { pool } = poolOf(MAGLEV, [0.9, 0.1], [5, 5]);
    const branches = () => CLIENTS.map((client) => pool.pick(client)?.branch);
    const before = branches();
    pool.setBranches([
      { branch: 0, weight: 0.8 },
      { branch: 1, weight: 0.2 },
    ]);
    const after = branches();
    const moves = before.filter((branch, i) => branch !== after[i]);
    expect(moves.length).toBeWithin(850, 1_150);
    expect(new Set(moves)).toEqual(new Set([0]));
  });
});

describe("A balancer with maglev", () => {
  test("makes no warm connections, which would belong to no client", () => {
    const attempts = (config: LoadBalancerConfig) =>
      fakeWorld({}, { minConnections: 2 }, config).connector.attempts.length;
    expect([attempts(MAGLEV), attempts({ kind: "p2c" })]).toEqual([0, 2]);
  });
});

describe("createPickers()", () => {
  test("asks for clients and for latencies only where they are needed", () => {
    const asks = (config: LoadBalancerConfig) => {
      const parts = { clock: new FakeClock(), rng: seededRng(1), place: () => 0 };
      const { byClient, latencies } = createPickers(config, parts);
      return [...(byClient ? ["clients"] : []), ...(latencies === undefined ? [] : ["latencies"])];
    };
    expect(CONFIGS.map(asks)).toEqual([[], ["latencies"], [], [], [], ["clients"]]);
  });

  test("asks for the place of the process only where there is an aperture", () => {
    const asked = CONFIGS.filter((config) => {
      let times = 0;
      const place = () => (times += 1) && 0;
      createPickers(config, { clock: new FakeClock(), rng: seededRng(1), place });
      return times > 0;
    });
    expect(asked.map(({ kind }) => kind)).toEqual(["aperture"]);
  });
});
