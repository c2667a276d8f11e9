import { describe, expect, spyOn, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { type Rng, seededRng } from "../lib/rng.ts";
import { EwmaPicker } from "./ewma.ts";
import { Latencies } from "./latency.ts";
import { P2cPicker } from "./p2c.ts";
import { describePicker, type TestEndpoint, testEndpoint } from "./picker.contract.ts";

const DECAY_MS = 10_000;

function latenciesOf(clock = new FakeClock()): Latencies {
  return new Latencies(clock, DECAY_MS);
}

describePicker("EwmaPicker", (rng) => new EwmaPicker(rng, latenciesOf()));

/** Shares of picks, nothing being held. */
function shares(
  latencies: Latencies,
  endpoints: readonly TestEndpoint[],
  rng: Rng = seededRng(1),
): readonly number[] {
  const picker = new EwmaPicker<TestEndpoint>(rng, latencies);
  for (const endpoint of endpoints) picker.add(endpoint);
  const counts = endpoints.map(() => 0);
  for (let i = 0; i < 20_000; i += 1) {
    const index = endpoints.indexOf(picker.pick() ?? testEndpoint(0));
    counts[index] = (counts[index] ?? 0) + 1;
  }
  for (const endpoint of endpoints) picker.remove(endpoint);
  return counts.map((count) => count / 20_000);
}

describe("EwmaPicker", () => {
  test("reads the clock once in 16 picks, and goes by the time of what was observed since", () => {
    const clock = new FakeClock();
    const latencies = latenciesOf(clock);
    const [slow, quick] = [testEndpoint(1), testEndpoint(1)];
    latencies.observe(slow, 100);
    latencies.observe(quick, 1);
    const picker = new EwmaPicker<TestEndpoint>(seededRng(1), latencies);
    for (const endpoint of [slow, quick]) picker.add(endpoint);
    const now = spyOn(clock, "now");
    for (let pick = 0; pick < 160; pick += 1) picker.pick();
    expect(now).toHaveBeenCalledTimes(10);
    clock.advance(100 * DECAY_MS);
    latencies.observe(quick, 1);
    // The slow one counts as usual again, as all that was known of it is old.
    expect(latencies.ratio(slow, quick)).toBeLessThan(1.1);
  });

  test("chooses as P2cPicker does while latencies are equal, pick for pick", () => {
    const latencies = latenciesOf();
    const make = () => [3, 1, 1, 5].map((weight, index) => testEndpoint(weight, 2 * index));
    const [timed, plain] = [make(), make()];
    const ewma = new EwmaPicker<TestEndpoint>(seededRng(3), latencies);
    const p2c = new P2cPicker<TestEndpoint>(seededRng(3));
    for (const endpoint of timed) {
      ewma.add(endpoint);
      latencies.observe(endpoint, 20);
    }
    for (const endpoint of plain) p2c.add(endpoint);
    for (let i = 0; i < 1_000; i += 1) {
      const [a, b] = [ewma.pick(), p2c.pick()];
      expect(timed.indexOf(a ?? testEndpoint(0))).toBe(plain.indexOf(b ?? testEndpoint(0)));
      if (a !== undefined && b !== undefined) [a.load, b.load] = [a.load + 1, b.load + 1];
    }
  });

  test("passes over an endpoint that is twice as slow, but takes it instead of a fast one with two more", () => {
    const latencies = latenciesOf();
    const [slow, fast] = [testEndpoint(1), testEndpoint(1)];
    latencies.observe(slow, 20);
    latencies.observe(fast, 10);
    expect(shares(latencies, [slow, fast])).toEqual([0, 1]);
    fast.load = 2;
    expect(shares(latencies, [slow, fast])).toEqual([1, 0]);
  });

  test("shifts shares only a little when latencies differ a little", () => {
    const latencies = latenciesOf();
    const [slower, faster] = [testEndpoint(1), testEndpoint(1)];
    latencies.observe(slower, 11);
    latencies.observe(faster, 10);
    expect(shares(latencies, [slower, faster])[0]).toBeWithin(0.43, 0.47);
  });

  test("keeps to weights among endpoints that are equally slow", () => {
    const latencies = latenciesOf();
    const endpoints = [8, 1, 1].map((weight) => testEndpoint(weight));
    for (const endpoint of endpoints) latencies.observe(endpoint, 300);
    expect(shares(latencies, endpoints)[0]).toBeWithin(0.79, 0.81);
  });
});

describe("Latencies", () => {
  test("rise to a peak at once, and fall by parts", () => {
    const clock = new FakeClock();
    const latencies = latenciesOf(clock);
    const endpoint = testEndpoint(1);
    latencies.observe(endpoint, 10);
    latencies.observe(endpoint, 100);
    expect(latencies.of(endpoint, clock.now())).toBe(100);
    clock.advance(DECAY_MS);
    latencies.observe(endpoint, 10);
    expect(latencies.of(endpoint, clock.now())).toBeCloseTo(10 + 90 / Math.E);
  });

  test("drift to what is usual when nothing is observed, so that a slow endpoint is tried again", () => {
    const clock = new FakeClock();
    const latencies = latenciesOf(clock);
    const [slow, ...others] = Array.from({ length: 10 }, () => testEndpoint(1));
    if (slow === undefined) throw new Error("none");
    latencies.observe(slow, 1_000);
    for (let i = 0; i < 600; i += 1) {
      clock.advance(100);
      for (const other of others) latencies.observe(other, 10);
    }
    expect(latencies.of(slow, clock.now())).toBeWithin(10, 20);
  });

  test("take a new endpoint for a usual one", () => {
    const latencies = latenciesOf();
    const [known, fresh] = [testEndpoint(1), testEndpoint(1)];
    expect(latencies.of(fresh, 0)).toBe(1);
    latencies.observe(known, 50);
    expect(latencies.of(fresh, 0)).toBe(50);
  });

  test("make nothing of differences below a millisecond", () => {
    const latencies = latenciesOf();
    const endpoint = testEndpoint(1);
    latencies.observe(endpoint, 0.01);
    expect(latencies.of(endpoint, 0)).toBe(1);
  });

  test("double with each failure that is quick, up to a minute", () => {
    const clock = new FakeClock();
    const latencies = latenciesOf(clock);
    const endpoint = testEndpoint(1);
    latencies.observe(endpoint, 10);
    latencies.failed(endpoint, 0.1);
    latencies.failed(endpoint, 0.1);
    expect(latencies.of(endpoint, clock.now())).toBe(40);
    latencies.failed(endpoint, 3_000);
    expect(latencies.of(endpoint, clock.now())).toBe(3_000);
    for (let i = 0; i < 100; i += 1) latencies.failed(endpoint, 1);
    expect(latencies.of(endpoint, clock.now())).toBe(60_000);
  });
});
