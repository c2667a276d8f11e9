import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRng } from "../lib/rng.ts";
import { AperturePicker, placeOf, type ApertureSettings } from "./aperture.ts";
import { describePicker, type TestEndpoint, testEndpoint } from "./picker.contract.ts";

const SETTINGS: ApertureSettings = {
  minAperture: 1,
  lowLoad: 0.5,
  highLoad: 2,
  smoothWindowMs: 5_000,
};

describePicker("AperturePicker", (rng) => {
  // Time goes on from pick to pick, so that the window widens.
  class TickingClock extends FakeClock {
    override now(): number {
      this.advance(1_000);
      return super.now();
    }
  }
  return new AperturePicker({ settings: SETTINGS, clock: new TickingClock(), rng, place: 0.3 });
});

function setup(
  weights: readonly number[],
  settings: Partial<ApertureSettings> = {},
  place = 0.3,
  seed = 1,
) {
  const clock = new FakeClock();
  const picker = new AperturePicker<TestEndpoint>({
    settings: { ...SETTINGS, ...settings },
    clock,
    rng: seededRng(seed),
    place,
  });
  const endpoints = weights.map((weight, index) => ({
    ...testEndpoint(weight),
    address: `10.1.0.${index}:80`,
  }));
  for (const endpoint of endpoints) picker.add(endpoint);
  /** How often each endpoint is picked. */
  const picks = (count: number): readonly number[] => {
    const counts = endpoints.map(() => 0);
    for (let i = 0; i < count; i += 1) {
      const index = endpoints.indexOf(picker.pick() ?? testEndpoint(0));
      counts[index] = (counts[index] ?? 0) + 1;
    }
    return counts;
  };
  const used = (count = 500): number => picks(count).filter((got) => got > 0).length;
  return { clock, picker, endpoints, picks, used };
}

const equal = (count: number): readonly number[] => Array.from({ length: count }, () => 1);

describe("AperturePicker", () => {
  test("uses few endpoints while there is little load: a window of 3 touches 4 at most", () => {
    const { used, picker } = setup(equal(100), { minAperture: 3 });
    expect(used()).toBeWithin(3, 5);
    expect(picker.aperture).toBe(3);
  });

  test("is as wide as there are endpoints at most", () => {
    const { used, picker } = setup(equal(3), { minAperture: 10 });
    expect([used(), picker.aperture]).toEqual([3, 3]);
  });

  test("widens while each endpoint in it holds more than highLoad, and narrows below lowLoad", () => {
    const { clock, picker, endpoints, picks } = setup(equal(100));
    for (const endpoint of endpoints.slice(0, 10)) endpoint.load = 10;
    clock.advance(60_000);
    picks(200);
    // 100 connections among 50 are 2 each. The picks themselves hold nothing.
    expect(picker.aperture).toBeWithin(49, 55);
    for (const endpoint of endpoints) endpoint.load = 0;
    clock.advance(60_000);
    picks(200);
    expect(picker.aperture).toBe(1);
  });

  test("forgets a short peak: load is averaged", () => {
    const { clock, picker, endpoints, picks } = setup(equal(100));
    const [one] = endpoints;
    if (one === undefined) throw new Error("none");
    picks(10);
    one.load = 50;
    clock.advance(10);
    picks(20);
    one.load = 0;
    expect(picker.aperture).toBe(1);
  });

  test("begins at the same endpoints on all workers of a process, whatever came first", () => {
    const [a, b] = [setup(equal(50)), setup(equal(50).toReversed(), {}, 0.3, 99)];
    const usedBy = ({ endpoints, picks }: typeof a) => {
      const counts = picks(500);
      return endpoints.filter((_, index) => (counts[index] ?? 0) > 0).map((e) => e.address);
    };
    for (const endpoint of b.endpoints) b.picker.remove(endpoint);
    for (const endpoint of b.endpoints.toReversed()) b.picker.add(endpoint);
    expect(usedBy(b)).toEqual(usedBy(a));
    expect(usedBy(setup(equal(50), {}, 0.8))).not.toEqual(usedBy(a));
  });

  for (const minAperture of [1, 2, 5, 9, 10]) {
    test(`gives all processes together shares by weight: 1 to 10, minAperture ${minAperture}`, () => {
      const weights = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
      const totals = weights.map(() => 0);
      const processes = 500;
      for (let process = 0; process < processes; process += 1) {
        // Processes whose places are spread evenly: what chance adds is none of the picker's.
        const place = (process + 0.5) / processes;
        const { picks } = setup(weights, { minAperture }, place, process);
        for (const [index, got] of picks(100).entries()) totals[index] = (totals[index] ?? 0) + got;
      }
      for (const [index, weight] of weights.entries())
        expect((totals[index] ?? 0) / (processes * 100) / (weight / 55)).toBeWithin(0.9, 1.1);
    });
  }

  test("spreads numbered hosts evenly, whatever their number, and begins elsewhere for each destination", () => {
    for (const hosts of [2, 3, 7, 20, 100]) {
      const places = Array.from({ length: hosts }, (_, host) => placeOf(`proxy-${host}`, "/svc/a"));
      const sorted = places.toSorted((a, b) => a - b);
      const gaps = sorted.map(
        (place, index) => (sorted[index + 1] ?? (sorted[0] ?? 0) + 1) - place,
      );
      expect(Math.max(...gaps)).toBeLessThan(2 / hosts);
    }
    expect(placeOf("proxy-0", "/svc/a")).not.toBe(placeOf("proxy-0", "/svc/b"));
  });

  test("spreads hosts without numbers by chance", () => {
    const places = Array.from({ length: 1_000 }, (_, i) => placeOf(`pod-${i}-x`, "/svc/a"));
    for (let tenth = 0; tenth < 10; tenth += 1) {
      const inside = places.filter((place) => Math.floor(place * 10) === tenth).length;
      expect(inside).toBeWithin(53, 148);
    }
  });

  test("has a place for any name of a host", () => {
    for (const host of ["", "7", "host", "9".repeat(400), "ip-10-0-0-99999999999999999999"])
      expect(placeOf(host, "/svc/a")).toBeWithin(0, 1);
  });

  test("falls to its neighbours when what is in the window goes", () => {
    const { picker, endpoints, picks } = setup(equal(20));
    const before = picks(100);
    for (const [index, endpoint] of endpoints.entries())
      if ((before[index] ?? 0) > 0) picker.remove(endpoint);
    const after = picks(100);
    expect(after.reduce((sum, got) => sum + got, 0)).toBe(100);
    expect(after.some((got, index) => got > 0 && (before[index] ?? 0) > 0)).toBe(false);
  });

  test("chooses by load within the window", () => {
    const { endpoints, picks } = setup(equal(2), { minAperture: 2 });
    const [busy] = endpoints;
    if (busy !== undefined) busy.load = 100;
    expect(picks(1_000)[0]).toBeLessThan(20);
  });
});
