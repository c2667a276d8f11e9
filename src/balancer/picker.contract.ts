// What every Picker must do, whatever its rule. Each implementation's test file runs it.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Rng, seededRng } from "../lib/rng.ts";
import type { Pickable, Picker } from "./picker.ts";

/** An endpoint for tests, all of it writable. */
export interface TestEndpoint extends Pickable {
  weight: number;
  load: number;
}

/** A new endpoint that is in no picker. */
export function testEndpoint(weight: number, load = 0): TestEndpoint {
  return { weight, load, pickerIndex: -1 };
}

type Step =
  | { readonly do: "add" | "remove" | "pick"; readonly which: number }
  | { readonly do: "reweigh" | "load"; readonly which: number; readonly to: number };

const ENDPOINTS = 12;
const PICKS = 1000;

const which = fc.nat({ max: ENDPOINTS - 1 });
const weight = fc.oneof(
  fc.constant(0),
  fc.nat({ max: 10 }),
  fc.double({ min: 0, max: 1e300, noNaN: true }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom("add" as const, "remove" as const, "pick" as const), which }),
  fc.record({ do: fc.constant("reweigh" as const), which, to: weight }),
  fc.record({ do: fc.constant("load" as const), which, to: fc.nat({ max: 1000 }) }),
);

/**
 * Declares the contract suite for one kind of picker.
 *
 * @param name the kind, for the test names
 * @param make a new, empty picker that takes its chance from `rng`
 */
export function describePicker(name: string, make: (rng: Rng) => Picker<TestEndpoint>): void {
  function holding(...endpoints: readonly TestEndpoint[]): Picker<TestEndpoint> {
    const picker = make(seededRng(1));
    for (const endpoint of endpoints) picker.add(endpoint);
    return picker;
  }

  describe(`${name} as a Picker`, () => {
    test("picks nothing when it holds nothing", () => {
      const picker = holding();
      expect(picker.size).toBe(0);
      expect(picker.pick()).toBeUndefined();
    });

    test("picks the only endpoint, however loaded", () => {
      const only = testEndpoint(0.001, 1e6);
      expect(holding(only).pick()).toBe(only);
    });

    test("holds an endpoint of weight 0 but never picks it", () => {
      const [idle, busy] = [testEndpoint(0), testEndpoint(1, 1e6)];
      const picker = holding(idle, busy);
      expect(picker.size).toBe(2);
      for (let i = 0; i < PICKS; i++) expect(picker.pick()).toBe(busy);
      picker.remove(busy);
      expect(picker.pick()).toBeUndefined();
      expect(picker.size).toBe(1);
    });

    test("goes by a new weight once told", () => {
      const [a, b] = [testEndpoint(0), testEndpoint(1)];
      const picker = holding(a, b);
      a.weight = 1;
      b.weight = 0;
      picker.reweigh(a);
      picker.reweigh(b);
      for (let i = 0; i < PICKS; i++) expect(picker.pick()).toBe(a);
    });

    test("ignores the add of an endpoint that is in a picker", () => {
      const endpoint = testEndpoint(1);
      const picker = holding(endpoint, endpoint);
      expect(picker.size).toBe(1);
      const other = holding(endpoint);
      expect(other.size).toBe(0);
      picker.remove(endpoint);
      expect(picker.size).toBe(0);
    });

    test("ignores the remove and the reweigh of an endpoint that it does not hold", () => {
      const [mine, stranger] = [testEndpoint(1), testEndpoint(1)];
      const picker = holding(mine);
      const elsewhere = holding(stranger);
      picker.remove(stranger);
      picker.reweigh(stranger);
      picker.remove(testEndpoint(1));
      expect([picker.size, elsewhere.size]).toEqual([1, 1]);
      expect([picker.pick(), elsewhere.pick()]).toEqual([mine, stranger]);
    });

    test("lets an endpoint come back after a remove", () => {
      const endpoint = testEndpoint(1);
      const picker = holding(endpoint);
      picker.remove(endpoint);
      expect(endpoint.pickerIndex).toBe(-1);
      expect(picker.pick()).toBeUndefined();
      picker.add(endpoint);
      expect(picker.pick()).toBe(endpoint);
    });

    test("gives every endpoint of a weight some of the connections", () => {
      const endpoints = [5, 1, 1, 1, 2].map((w) => testEndpoint(w));
      const picker = holding(...endpoints);
      for (let i = 0; i < PICKS; i++) {
        const picked = picker.pick();
        if (picked !== undefined) picked.load++;
      }
      expect(endpoints.filter((e) => e.load === 0)).toEqual([]);
    });

    test("picks an endpoint that it holds and that has weight, after any changes", () => {
      fc.assert(
        fc.property(fc.integer(), fc.array(step, { maxLength: 150 }), (seed, steps) => {
          const picker = make(seededRng(seed));
          const endpoints = Array.from({ length: ENDPOINTS }, () => testEndpoint(1));
          const held = new Set<TestEndpoint>();
          for (const s of steps) {
            const endpoint = endpoints[s.which];
            if (endpoint === undefined) continue;
            switch (s.do) {
              case "add":
                picker.add(endpoint);
                held.add(endpoint);
                break;
              case "remove":
                picker.remove(endpoint);
                held.delete(endpoint);
                break;
              case "reweigh":
                endpoint.weight = s.to;
                picker.reweigh(endpoint);
                break;
              case "load":
                endpoint.load = s.to;
                break;
              case "pick":
                break;
              default:
                s satisfies never;
            }
            const candidates = [...held].filter((e) => e.weight > 0);
            const picked = picker.pick();
            if (picked === undefined) expect(candidates).toEqual([]);
            else expect(candidates).toContain(picked);
            expect(picker.size).toBe(held.size);
          }
          for (const endpoint of endpoints)
            expect(endpoint.pickerIndex >= 0).toBe(held.has(endpoint));
        }),
      );
    });
  });
}
