import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { hashAddress } from "../lib/hash.ts";
import { describePicker, type TestEndpoint, testEndpoint } from "./picker.contract.ts";
import { RendezvousPicker } from "./rendezvous.ts";

const UNBOUNDED = Number.POSITIVE_INFINITY;

describePicker("RendezvousPicker", () => new RendezvousPicker(1.25, new FakeClock()));
describePicker(
  "RendezvousPicker without a bound",
  () => new RendezvousPicker(UNBOUNDED, new FakeClock()),
);

const CLIENTS = 20_000;

function setup(weights: readonly number[], loadFactor = UNBOUNDED) {
  const picker = new RendezvousPicker<TestEndpoint>(loadFactor, new FakeClock());
  const endpoints = weights.map((weight, index) => ({
    ...testEndpoint(weight),
    address: `10.1.${index >> 8}.${index & 255}:80`,
  }));
  for (const endpoint of endpoints) picker.add(endpoint);
  return { picker, endpoints };
}

/** The endpoint of each client. */
function assign(picker: RendezvousPicker<TestEndpoint>, clients = CLIENTS) {
  return Array.from({ length: clients }, (_, client) =>
    picker.pick(hashAddress(`10.${client >> 16}.${(client >> 8) & 255}.${client & 255}`)),
  );
}

/** The part of the clients whose endpoint differs. */
function moved(before: readonly unknown[], after: readonly unknown[]): number {
  return before.filter((endpoint, client) => endpoint !== after[client]).length / before.length;
}

function equal(count: number): readonly number[] {
  return Array.from({ length: count }, () => 1);
}

describe("RendezvousPicker", () => {
  test("gives a client the same endpoint each time, whatever the loads and the order in which endpoints came", () => {
    const [a, b] = [setup(equal(30)), setup(equal(30))];
    for (const endpoint of b.endpoints) b.picker.remove(endpoint);
    for (const endpoint of b.endpoints.toReversed()) b.picker.add(endpoint);
    for (const [index, endpoint] of a.endpoints.entries()) endpoint.load = index * 100;
    const addresses = (picked: readonly (TestEndpoint | undefined)[]) =>
      picked.map((endpoint) => endpoint?.address);
    expect(addresses(assign(a.picker, 500))).toEqual(addresses(assign(b.picker, 500)));
  });

  for (const [name, weights] of [
    ["10 equal", equal(10)],
    ["1 to 10", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    ["1:99", [1, 99]],
    ["500 equal, several in a bucket", equal(500)],
    ["200 of weights 1 and 5", equal(200).map((_, index) => (index % 2 === 0 ? 1 : 5))],
  ] as const) {
    test(`spreads clients by weight: ${name}`, () => {
      const { picker, endpoints } = setup(weights);
      const counts = new Map<TestEndpoint | undefined, number>();
      for (const endpoint of assign(picker)) counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (const endpoint of endpoints) {
        const fair = (CLIENTS * endpoint.weight) / total;
        // Five standard errors of a count.
        expect(Math.abs((counts.get(endpoint) ?? 0) - fair)).toBeLessThan(5 * Math.sqrt(fair));
      }
    });
  }

  for (const count of [5, 20, 100, 1_000]) {
    test(`moves few clients but those of an endpoint that goes, and as many back: ${count} endpoints`, () => {
      const { picker, endpoints } = setup(equal(count));
      const before = assign(picker);
      const [gone] = endpoints;
      if (gone === undefined) throw new Error("none");
      picker.remove(gone);
      const after = assign(picker);
      expect(after).not.toContain(gone);
      // 1 / count have to. Where several share a bucket, its others move about as many.
      expect(moved(before, after)).toBeLessThan(2.5 / count);
      picker.add(gone);
      expect(moved(before, assign(picker))).toBe(0);
    });
  }

  test("moves few clients when a weight changes: from 1 to 2 among 20, 1 in 21 or so", () => {
    const { picker, endpoints } = setup(equal(20));
    const before = assign(picker);
    const [grown] = endpoints;
    if (grown === undefined) throw new Error("none");
    grown.weight = 2;
    picker.reweigh(grown);
    expect(moved(before, assign(picker))).toBeWithin(0.5 / 21, 2 / 21);
  });

  test("takes the client's next choice when its endpoint is tried no more, and comes back", () => {
    const { picker } = setup(equal(10));
    const client = hashAddress("192.0.2.7");
    const own = picker.pick(client);
    if (own === undefined) throw new Error("none");
    picker.remove(own);
    const next = picker.pick(client);
    expect(next).not.toBe(own);
    picker.add(own);
    expect(picker.pick(client)).toBe(own);
  });

  test("tells endpoints apart whose hashes are equal", () => {
    const { picker, endpoints } = setup([1, 1]);
    const got = new Set(assign(picker, 100));
    expect(got.size).toBe(endpoints.length);
  });
});

describe("RendezvousPicker with a bound", () => {
  test("lets no endpoint get far above its share, even of one client", () => {
    const { picker, endpoints } = setup([1, 1, 1, 1, 4], 1.25);
    const client = hashAddress("192.0.2.7");
    for (let i = 0; i < 8_000; i += 1) {
      const picked = picker.pick(client);
      if (picked !== undefined) picked.load += 1;
    }
    for (const { load, weight } of endpoints) expect(load).toBeLessThanOrEqual(1_251 * weight);
  });

  test("keeps nearly all clients where they are while loads are even", () => {
    const { picker } = setup(equal(10), 1.25);
    const own = assign(setup(equal(10)).picker).map((endpoint) => endpoint?.address);
    const picked = assign(picker).map((endpoint) => {
      if (endpoint !== undefined) endpoint.load += 1;
      return endpoint?.address;
    });
    expect(moved(own, picked)).toBeLessThan(0.01);
  });

  test("counts a few connections for none: a client with eight keeps them together", () => {
    const { picker } = setup(equal(10), 1.25);
    const picked = Array.from({ length: 8 }, () => {
      const endpoint = picker.pick(1);
      if (endpoint !== undefined) endpoint.load += 1;
      return endpoint;
    });
    expect(new Set(picked).size).toBe(1);
  });

  test("takes the least loaded of its choices when all seem full", () => {
    const { picker, endpoints } = setup(equal(4), 1.25);
    // The sum of the loads is not asked for again at once: one pick knows of less than there is.
    picker.pick(1);
    for (const [index, endpoint] of endpoints.entries()) endpoint.load = 100 + index;
    expect(picker.pick(1)?.load).toBeWithin(100, 104);
  });
});
