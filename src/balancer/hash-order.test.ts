import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HashOrder } from "./hash-order.ts";
import { type TestEndpoint, testEndpoint } from "./picker.contract.ts";

function holding(endpoints: readonly TestEndpoint[]): HashOrder<TestEndpoint> {
  const order = new HashOrder<TestEndpoint>();
  for (const endpoint of endpoints) order.add(endpoint);
  return order;
}

/** Endpoints in their order. */
function inOrder(order: HashOrder<TestEndpoint>): readonly TestEndpoint[] {
  return order.buckets.flatMap(({ slots }) => slots.map(({ endpoint }) => endpoint));
}

describe("HashOrder", () => {
  test("has one order for the same endpoints, whatever came first and what came between", () => {
    const endpoints = Array.from({ length: 400 }, () => testEndpoint(1));
    const first = inOrder(holding(endpoints));
    for (const endpoint of endpoints) endpoint.pickerIndex = -1;
    const order = holding(endpoints.toReversed());
    for (const endpoint of endpoints.slice(0, 100)) order.remove(endpoint);
    for (const endpoint of endpoints.slice(0, 100)) order.add(endpoint);
    expect(inOrder(order)).toEqual(first);
  });

  test("finds each endpoint in a stretch as long as its weight, and says how far in", () => {
    const weight = fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 10, noNaN: true }));
    fc.assert(
      fc.property(fc.array(weight, { maxLength: 300 }), (weights) => {
        const order = holding(weights.map((each) => testEndpoint(each)));
        let from = 0;
        for (const endpoint of inOrder(order)) {
          const slot = order.find(from + endpoint.weight / 2);
          if (!(endpoint.weight > 0)) continue;
          expect(slot?.endpoint).toBe(endpoint);
          expect(order.remainder).toBeCloseTo(endpoint.weight / 2);
          from += endpoint.weight;
        }
        expect(order.weight).toBeCloseTo(from);
        expect(order.weighted).toBe(weights.filter((each) => each > 0).length);
      }),
    );
  });

  test("is empty of weight exactly when all weights are 0", () => {
    const endpoints = Array.from({ length: 50 }, (_, index) => testEndpoint(0.1 * index + 0.1));
    const order = holding(endpoints);
    for (const endpoint of endpoints) {
      endpoint.weight = 0;
      order.reweigh(endpoint);
    }
    expect([order.weight, order.weighted, order.heaviestBucket]).toEqual([0, 0, 0]);
    expect(order.find(0)).toBeUndefined();
  });
});
