import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { EndpointRow, newEndpointPage } from "../telemetry/endpoint-table.ts";
import { Gauge } from "../telemetry/metrics.ts";
import { connectTarget } from "../transport/connector.ts";
import { Endpoint } from "./endpoint.ts";
import { SlowStart } from "./slow-start.ts";

function setup(windowMs = 10_000, minShare = 0.1) {
  const clock = new FakeClock();
  const gauge = new Gauge(new Float64Array(1), 0);
  const told: Endpoint[] = [];
  const config = { windowMs, minShare };
  const slowStart = new SlowStart({ config, clock, gauge, onWeight: (each) => told.push(each) });
  const page = new Float64Array(newEndpointPage(1));
  const endpoint = (id: number, weight = 1) =>
    new Endpoint({
      id,
      branch: 0,
      target: connectTarget("127.0.0.1", 1000 + id),
      weight,
      row: new EndpointRow(page, id, 0, 1),
    });
  return { clock, gauge, told, slowStart, endpoint };
}

describe("Slow start", () => {
  test("raises the weight in a line from the least to all, and then has no timer", () => {
    const { clock, gauge, slowStart, endpoint } = setup();
    const one = endpoint(1, 20);
    slowStart.begin(one);
    expect([one.weight, gauge.value, clock.pending]).toEqual([2, 1, 1]);
    const weights = [2_500, 2_500, 2_500].map((ms) => {
      clock.advance(ms);
      return one.weight;
    });
    expect(weights.map((weight) => Math.round(weight * 10) / 10)).toEqual([6.5, 11, 15.5]);
    clock.advance(2_500);
    expect([one.weight, gauge.value, clock.pending]).toEqual([20, 0, 0]);
  });

  test("tells of every step, of those that warm alone, some twenty times each", () => {
    const { clock, told, slowStart, endpoint } = setup();
    const one = endpoint(1);
    slowStart.begin(one);
    clock.advance(60_000);
    expect(told.length).toBeWithin(20, 23);
    expect(new Set(told)).toEqual(new Set([one]));
  });

  test("has one timer for all, and lets each have its own time", () => {
    const { clock, gauge, slowStart, endpoint } = setup();
    const [one, two] = [endpoint(1), endpoint(2)];
    slowStart.begin(one);
    clock.advance(5_000);
    slowStart.begin(two);
    expect([clock.pending, gauge.value]).toEqual([1, 2]);
    clock.advance(5_000);
    expect([one.weight, gauge.value]).toEqual([1, 1]);
    expect(two.weight).toBeWithin(0.5, 0.6);
    clock.advance(5_000);
    expect([two.weight, clock.pending]).toEqual([1, 0]);
  });

  test("begins anew with an endpoint that was out meanwhile", () => {
    const { clock, slowStart, endpoint } = setup();
    const one = endpoint(1);
    slowStart.begin(one);
    clock.advance(9_000);
    slowStart.end(one);
    expect([one.weight, clock.pending]).toEqual([1, 0]);
    slowStart.begin(one);
    expect(one.weight).toBe(0.1);
  });

  test("follows a weight that changes meanwhile", () => {
    const { clock, slowStart, endpoint } = setup();
    const one = endpoint(1);
    slowStart.begin(one);
    one.fullWeight = 100;
    expect(one.weight).toBe(10);
    clock.advance(10_000);
    expect(one.weight).toBe(100);
  });

  test("lets the first endpoints of a name have their weight at once, also those of later messages", () => {
    const { clock, slowStart, endpoint } = setup();
    const all = [1, 2, 3].map((id) => endpoint(id));
    slowStart.arrived(all, 0);
    clock.advance(9_999);
    const later = endpoint(4);
    slowStart.arrived([later], 3);
    expect([...all, later].map(({ weight }) => weight)).toEqual([1, 1, 1, 1]);
    clock.advance(1);
    const latest = endpoint(5);
    slowStart.arrived([latest], 4);
    expect([later.weight, latest.weight]).toEqual([1, 0.1]);
  });

  test("takes a name that had lost all endpoints for a new one", () => {
    const { clock, slowStart, endpoint } = setup();
    slowStart.arrived([endpoint(1)], 0);
    clock.advance(50_000);
    const again = endpoint(2);
    slowStart.arrived([again], 0);
    expect(again.weight).toBe(1);
  });

  test("does nothing where it is off", () => {
    for (const off of [setup(0), setup(10_000, 1)]) {
      const one = off.endpoint(1);
      off.slowStart.arrived([off.endpoint(2)], 0);
      off.clock.advance(1_000_000);
      off.slowStart.arrived([one], 1);
      off.slowStart.begin(one);
      expect([one.weight, off.clock.pending, off.told.length]).toEqual([1, 0, 0]);
    }
  });

  test("leaves no timer behind when it stops", () => {
    const { clock, slowStart, endpoint } = setup();
    slowStart.begin(endpoint(1));
    slowStart.begin(endpoint(2));
    slowStart.stop();
    expect(clock.pending).toBe(0);
  });
});
