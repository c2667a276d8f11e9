import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { canonicalIp } from "../lib/address.ts";
import { endpointSet, MAX_WEIGHT, sameEndpoints } from "./endpoint-set.ts";

const raw = (ip: unknown, port: unknown, weight?: unknown) => ({ ip, port, weight });

describe("endpointSet()", () => {
  test("writes addresses in their canonical spelling, zones included", () => {
    const { endpoints } = endpointSet([
      raw("0:0:0:0:0:0:0:1", 80),
      raw("FE80:0:0:0:0:0:0:1%eth0", 80),
      raw("10.0.0.1", 80),
    ]);
    expect(endpoints.map((it) => it.ip)).toEqual(["10.0.0.1", "::1", "fe80::1%eth0"]);
  });

  test("leaves out what is no address or no port, counts it and keeps the rest", () => {
    const bad = [
      raw("web.example", 80),
      raw("", 80),
      raw(undefined, 80),
      raw(7, 80),
      raw("10.0.0.256", 80),
      raw("010.0.0.1", 80),
      raw("fe80::1%", 80),
      raw("fe80::1%a b\n", 80),
      raw("10.0.0.1%eth0", 80),
      raw("10.0.0.1", 0),
      raw("10.0.0.1", -1),
      raw("10.0.0.1", 65_536),
      raw("10.0.0.1", 80.5),
      raw("10.0.0.1", "80"),
      raw("10.0.0.1", Number.NaN),
      raw("10.0.0.1", null),
    ];
    const set = endpointSet([...bad, raw("10.0.0.9", 80)]);
    expect(set).toEqual({
      endpoints: [{ ip: "10.0.0.9", port: 80, weight: 1 }],
      skipped: bad.length,
      repaired: 0,
    });
  });

  test("keeps an endpoint whose weight is unusable, with weight 1", () => {
    const weights = [Number.NaN, -1, Number.POSITIVE_INFINITY, "2", {}, [], true];
    const set = endpointSet(weights.map((weight, index) => raw("10.0.0.1", index + 1, weight)));
    expect(set.endpoints.map((it) => it.weight)).toEqual(weights.map(() => 1));
    expect(set.repaired).toBe(weights.length);
    expect(set.skipped).toBe(0);
  });

  test("takes no weight, and a weight of null, as 1", () => {
    const set = endpointSet([raw("10.0.0.1", 1), raw("10.0.0.1", 2, null)]);
    expect(set.endpoints.map((it) => it.weight)).toEqual([1, 1]);
    expect(set.repaired).toBe(0);
  });

  test("cuts a weight so large that sums of such would be infinite", () => {
    const set = endpointSet([raw("10.0.0.1", 1, 1e308)]);
    expect(set.endpoints[0]?.weight).toBe(MAX_WEIGHT);
    expect(set.repaired).toBe(1);
  });

  test("keeps weights that are usable: 0, fractions, the largest", () => {
    const set = endpointSet([0, 0.25, 1.5, MAX_WEIGHT].map((w, i) => raw("::1", i + 1, w)));
    expect(set.endpoints.map((it) => it.weight)).toEqual([0, 0.25, 1.5, MAX_WEIGHT]);
    expect(set.repaired).toBe(0);
  });

  test("of the same address twice the last one counts", () => {
    const { endpoints } = endpointSet([raw("::1", 80, 1), raw("0:0:0:0:0:0:0:1", 80, 5)]);
    expect(endpoints).toEqual([{ ip: "::1", port: 80, weight: 5 }]);
  });

  test("gives usable endpoints in the same order, whatever comes in whatever order", () => {
    const value = fc.oneof(fc.anything(), fc.ipV4(), fc.ipV6(), fc.constant("10.0.0.1"));
    const port = fc.oneof(fc.integer({ min: -5, max: 70_000 }), fc.anything());
    const list = fc.array(
      fc.record({ ip: value, port, weight: fc.oneof(fc.double(), fc.anything()) }),
    );
    fc.assert(
      fc.property(list, (raws) => {
        const set = endpointSet(raws);
        for (const endpoint of set.endpoints) {
          expect(canonicalIp(endpoint.ip)).toBe(endpoint.ip);
          expect(endpoint.port).toBeWithin(1, 65_536);
          expect(endpoint.weight).toBeGreaterThanOrEqual(0);
          expect(endpoint.weight).toBeLessThanOrEqual(MAX_WEIGHT);
        }
        const addresses = set.endpoints.map((it) => `${it.ip} ${it.port}`);
        expect(addresses).toEqual([...new Set(addresses)].sort());
        expect(set.endpoints.length + set.skipped).toBeLessThanOrEqual(raws.length);
      }),
    );
  });
});

describe("sameEndpoints()", () => {
  const one = { ip: "10.0.0.1", port: 80, weight: 1 };

  test("compares addresses, ports and weights", () => {
    expect(sameEndpoints([], [])).toBe(true);
    expect(sameEndpoints([one], [{ ...one }])).toBe(true);
    expect(sameEndpoints([one], [])).toBe(false);
    expect(sameEndpoints([one], [{ ...one, weight: 2 }])).toBe(false);
    expect(sameEndpoints([one], [{ ...one, port: 81 }])).toBe(false);
    expect(sameEndpoints([one], [{ ...one, ip: "::1" }])).toBe(false);
  });

  test("finds the same set the same, whatever order it came in", () => {
    const entry = fc.record({
      ip: fc.ipV4(),
      port: fc.integer({ min: 1, max: 3 }),
      weight: fc.constant(2),
    });
    fc.assert(
      fc.property(
        fc.array(entry).chain((list) =>
          fc.tuple(
            fc.constant(list),
            fc.shuffledSubarray(list, {
              minLength: list.length,
            }),
          ),
        ),
        ([list, shuffled]) => {
          expect(sameEndpoints(endpointSet(list).endpoints, endpointSet(shuffled).endpoints)).toBe(
            true,
          );
        },
      ),
    );
  });
});
