// What every Picker must do, whatever its rule. Each implementation's test file runs it.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Rng, seededRng } from "../lib/rng.ts";
import type { Timed } from "./latency.ts";
import type { Located, Picker } from "./picker.ts";

/** An endpoint for tests, all of it writable. */
export interface TestEndpoint extends Located, Timed {
  weight: number;
  load: number;
}

let lastAddress = 0;

/** A new endpoint that is in no picker, with an address of its own. */
export function testEndpoint(weight: number, load = 0): TestEndpoint {
  const address = `10.0.${++lastAddress >> 8}.${lastAddress & 255}:80`;
  return { weight, load, pickerIndex: -1, address, latency: undefined };
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

  let client = 0;
  /** A pick for another client each time. */
  const next = (picker: Picker<TestEndpoint>): TestEndpoint | undefined => picker.pick(client++);

  describe(`${name} as a Picker`, () => {
    test("picks nothing when it holds nothing", () => {
      const picker = holding();
      expect(picker.size).toBe(0);
      expect(next(picker)).toBeUndefined();
    });

    test("picks the only endpoint, however loaded", () => {
      const only = testEndpoint(0.001, 1e6);
      expect(next(holding(only))).toBe(only);
    });

    test("holds an endpoint of weight 0 but never picks it", () => {
      const [idle, busy] = [testEndpoint(0), testEndpoint(1, 1e6)];
      const picker = holding(idle, busy);
      expect(picker.size).toBe(2);
      for (let i = 0; i < PICKS; i++) expect(next(picker)).toBe(busy);
      picker.remove(busy);
      expect(next(picker)).toBeUndefined();
      expect(picker.size).toBe(1);
    });

    test("goes by a new weight once told", () => {
      const [a, b] = [testEndpoint(0), testEndpoint(1)];
      const picker = holding(a, b);
      a.weight = 1;
      b.weight = 0;
      picker.reweigh(a);
      picker.reweigh(b);
      for (let i = 0; i < PICKS; i++) expect(next(picker)).toBe(a);
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
      expect([next(picker), next(elsewhere)]).toEqual([mine, stranger]);
    });

    test("lets an endpoint come back after a remove", () => {
      const endpoint = testEndpoint(1);
      const picker = holding(endpoint);
      picker.remove(endpoint);
      expect(endpoint.pickerIndex).toBe(-1);
      expect(next(picker)).toBeUndefined();
      picker.add(endpoint);
      expect(next(picker)).toBe(endpoint);
    });

    test("gives every endpoint of a weight some of the connections", () => {
      const endpoints = [5, 1, 1, 1, 2].map((w) => testEndpoint(w));
      const picker = holding(...endpoints);
      for (let i = 0; i < PICKS; i++) {
        const picked = next(picker);
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
            const picked = next(picker);
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
