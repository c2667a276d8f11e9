import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ENDPOINT_METRICS } from "./catalogue/balancer.ts";
import { EndpointMetrics, type EndpointSample } from "./endpoint-metrics.ts";
import { EndpointRow, newEndpointPage } from "./endpoint-table.ts";
import type { MetricFamily } from "./metrics.ts";

const page = (): Float64Array => new Float64Array(newEndpointPage(1));

/** A sample whose row can be written to. */
type Writable = EndpointSample & { readonly row: EndpointRow };

function sample(endpoint: string, connects = 0, cells = page()): Writable {
  const row = new EndpointRow(cells, 0, 0, 1);
  for (let times = 0; times < connects; times++) row.countConnect();
  return { router: "r", dst: "/svc/x", endpoint, weight: 1, row };
}

/** One family as endpoint → number. */
function numbers(families: readonly MetricFamily[], name: string): Record<string, number> {
  const family = families.find(({ definition }) => definition.name === name);
  return Object.fromEntries(
    (family?.series ?? []).map((series) => [series.labels[1] ?? "", series.numbers[0] ?? NaN]),
  );
}

const CONNECTS = ENDPOINT_METRICS.connects.name;

describe("EndpointMetrics", () => {
  test("shows what the table knows of each endpoint, with labels as the catalogue names them", () => {
    const one = { ...sample("10.0.0.1:80", 2), weight: 2.5 };
    one.row.addLoad(3);
    one.row.countFailure();
    one.row.setEjection({ kind: "ejected", reason: "refused", probeAtMs: 1 });
    const families = new EndpointMetrics().collect([one]);
    expect(families.map(({ definition }) => definition)).toEqual(Object.values(ENDPOINT_METRICS));
    expect(families.map(({ series }) => series[0]?.numbers)).toEqual([[3], [2.5], [1], [2], [1]]);
    expect(ENDPOINT_METRICS.connections.labels).toEqual(["dst", "endpoint", "rt"]);
    for (const { series } of families)
      expect(series[0]?.labels).toEqual(["/svc/x", "10.0.0.1:80", "r"]);
  });

  test("has empty families when there are no endpoints", () => {
    for (const { series } of new EndpointMetrics().collect([])) expect(series).toEqual([]);
  });

  test("names the busiest endpoints and sums the others", () => {
    const all = [sample("a", 1), sample("b", 9), sample("c", 2), sample("d", 8)];
    for (const { row } of all) {
      row.addLoad(1);
      row.countFailure();
      row.setEjection({ kind: "ejected", reason: "refused", probeAtMs: 1 });
    }
    const families = new EndpointMetrics(2).collect(all);
    expect(numbers(families, CONNECTS)).toEqual({ b: 9, d: 8, other: 3 });
    for (const other of ["connections", "weight", "ejected", "failures"] as const)
      expect(numbers(families, ENDPOINT_METRICS[other].name)).toEqual({ b: 1, d: 1, other: 2 });
  });

  test("bounds each destination of each router on its own", () => {
    const of = (router: string, dst: string, endpoint: string): EndpointSample => ({
      ...sample(endpoint),
      router,
      dst,
    });
    const all = [of("r", "/a", "1"), of("r", "/b", "1"), of("s", "/a", "1"), of("s", "/a", "2")];
    const [first] = new EndpointMetrics(1).collect(all);
    expect(first?.series.map(({ labels }) => labels.join())).toEqual([
      "/a,1,r",
      "/b,1,r",
      "/a,1,s",
      "/a,other,s",
    ]);
  });

  test("lets an endpoint keep its name until another is twice as busy", () => {
    const [a, b] = [sample("a", 10), sample("b", 9)];
    const metrics = new EndpointMetrics(1);
    const named = (): string[] => Object.keys(numbers(metrics.collect([a, b]), CONNECTS));
    expect(named()).toEqual(["a", "other"]);
    for (let connects = 9; connects < 20; connects++) b.row.countConnect();
    expect(named()).toEqual(["a", "other"]);
    b.row.countConnect();
    expect(named()).toEqual(["b", "other"]);
  });

  test("never lets the total of the others go back nor count twice when names change or endpoints go", () => {
    const [a, b, c] = [sample("a", 10), sample("b", 4), sample("c", 3)];
    const metrics = new EndpointMetrics(1);
    const other = (all: readonly EndpointSample[]): number | undefined =>
      numbers(metrics.collect(all), CONNECTS)["other"];
    expect(other([a, b, c])).toBe(7);
    for (let times = 0; times < 20; times++) b.row.countConnect();
    // b has a name now. What a counted under its own stays out.
    expect(other([a, b, c])).toBe(7);
    a.row.countConnect();
    expect(other([a, b, c])).toBe(8);
    expect(other([a, b])).toBe(8);
    // The row of a has been cleared: it went and came back.
    expect(other([sample("a", 2), b])).toBe(10);
  });

  test("forgets destinations that are gone or have become small", () => {
    const all = [sample("a", 5), sample("b", 3)];
    const metrics = new EndpointMetrics(1);
    metrics.collect(all);
    metrics.collect(all.slice(0, 1));
    expect(numbers(metrics.collect(all), CONNECTS)).toEqual({ a: 5, other: 3 });
  });

  test("never shows more series than it may, and totals of the others only grow", () => {
    const looks = fc.array(fc.array(fc.tuple(fc.nat(9), fc.nat(5)), { maxLength: 20 }));
    fc.assert(
      fc.property(looks, fc.integer({ min: 1, max: 5 }), (all, max) => {
        const table = Array.from({ length: 10 }, (_, at) => sample(`e${at}`));
        const metrics = new EndpointMetrics(max);
        let last = 0;
        for (const look of all) {
          for (const [at, connects] of look)
            for (let times = 0; times < connects; times++) table[at]?.row.countConnect();
          const shown = numbers(metrics.collect(table), CONNECTS);
          expect(Object.keys(shown)).toHaveLength(max + 1);
          expect(shown["other"]).toBeGreaterThanOrEqual(last);
          last = shown["other"] ?? Number.NaN;
        }
      }),
    );
  });
});
