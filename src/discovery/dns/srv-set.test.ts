import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { SrvRecord } from "./message.ts";
import { srvClasses, srvEndpoints } from "./srv-set.ts";

const record = (target: string, weight = 1, { priority = 0, port = 80 } = {}): SrvRecord => ({
  type: "SRV",
  name: "_x._tcp.test",
  ttlMs: 1_000,
  target,
  weight,
  priority,
  port,
});
const HOSTS: Readonly<Record<string, readonly string[]>> = {
  a: ["10.0.0.1"],
  b: ["10.0.0.2"],
  twins: ["10.0.0.3", "10.0.0.4", "10.0.0.4"],
};
const ipsOf = (target: string): readonly string[] => HOSTS[target] ?? [];
const weights = (...records: readonly SrvRecord[]): Record<string, number> =>
  Object.fromEntries(
    srvEndpoints(records, ipsOf).endpoints.map(({ ip, port, weight }) => [
      `${ip}:${port}`,
      Math.round(weight * 1_000) / 1_000,
    ]),
  );

describe("srvClasses()", () => {
  test("puts the lowest priority in front, and leaves out what is decidedly not there", () => {
    const records = [
      record("b", 1, { priority: 20 }),
      record("a", 1, { priority: 3 }),
      record(".", 1, { priority: 1 }),
      record("c", 1, { priority: 3 }),
    ];
    const names = srvClasses(records).map((members) => members.map(({ target }) => target));
    expect(names).toEqual([["a", "c"], ["b"]]);
    expect(srvClasses([record(".")])).toEqual([]);
  });
});

describe("srvEndpoints()", () => {
  test("takes weights as they are", () => {
    expect(weights(record("a", 60), record("b", 20))).toEqual({
      "10.0.0.1:80": 60,
      "10.0.0.2:80": 20,
    });
  });

  test("gives weight 0 beside others a hundredth of the smallest", () => {
    expect(weights(record("a", 0), record("b", 20), record("b", 50, { port: 81 }))).toEqual({
      "10.0.0.1:80": 0.2,
      "10.0.0.2:80": 20,
      "10.0.0.2:81": 50,
    });
  });

  test("where all have weight 0, all are equal", () => {
    expect(weights(record("a", 0), record("b", 0))).toEqual({ "10.0.0.1:80": 1, "10.0.0.2:80": 1 });
    // One that has no address does not count.
    expect(weights(record("a", 0), record("gone", 9))).toEqual({ "10.0.0.1:80": 1 });
  });

  test("shares a target's weight out among its addresses", () => {
    expect(weights(record("twins", 10), record("a", 10))).toEqual({
      "10.0.0.1:80": 10,
      "10.0.0.3:80": 5,
      "10.0.0.4:80": 5,
    });
  });

  test("adds the weights of records that lead to the same address and port", () => {
    expect(weights(record("a", 2), record("a", 3), record("a", 7, { port: 81 }))).toEqual({
      "10.0.0.1:80": 5,
      "10.0.0.1:81": 7,
    });
  });

  test("leaves out port 0, and counts it", () => {
    const set = srvEndpoints([record("a", 1, { port: 0 }), record("b")], ipsOf);
    expect(set).toMatchObject({ skipped: 1, endpoints: [{ ip: "10.0.0.2" }] });
  });

  test("each target gets the share of its weight, whatever they are", () => {
    const targets = fc.uniqueArray(
      fc.record({
        weight: fc.integer({ min: 1, max: 65_535 }),
        ips: fc.integer({ min: 1, max: 5 }),
      }),
      { minLength: 1, maxLength: 20, selector: ({ weight }) => weight },
    );
    fc.assert(
      fc.property(targets, (list) => {
        const ips = (target: string): readonly string[] =>
          Array.from({ length: list[Number(target)]?.ips ?? 0 }, (_, n) => `10.0.${target}.${n}`);
        const records = list.map(({ weight }, index) => record(String(index), weight));
        const { endpoints } = srvEndpoints(records, ips);
        for (const [index, { weight }] of list.entries()) {
          const own = endpoints.filter(({ ip }) => ip.startsWith(`10.0.${index}.`));
          expect(own.reduce((sum, it) => sum + it.weight, 0)).toBeCloseTo(weight, 6);
        }
      }),
    );
  });
});
