import { describe, expect, test } from "bun:test";
import { Aggregate } from "./aggregate.ts";
import { CATALOGUE } from "./catalogue.ts";
import type { MetricDefinition } from "./metrics.ts";
import { Registry, type RegistryEvent } from "./registry.ts";

const COUNTER: MetricDefinition = { name: "c_total", kind: "counter", help: "", labels: ["a"] };
const GAUGE: MetricDefinition = { name: "g", kind: "gauge", help: "", labels: ["a"] };
const LARGEST: MetricDefinition = { ...GAUGE, name: "m", combine: "max" };
const HISTOGRAM: MetricDefinition = {
  name: "h",
  kind: "histogram",
  help: "",
  labels: [],
  buckets: { first: 0, last: 1 },
};

function setUp(more: readonly MetricDefinition[] = []) {
  const aggregate = new Aggregate([COUNTER, GAUGE, LARGEST, HISTOGRAM, ...more]);
  const thread = (name: string): Registry => {
    const take = aggregate.source(name);
    // As between threads: definitions arrive as copies.
    return new Registry((event) => take(structuredClone(event)));
  };
  /** `name` → { "label,label": numbers }, without families that have no series. */
  const shown = (): Record<string, Record<string, readonly number[]>> =>
    Object.fromEntries(
      aggregate
        .collect()
        .filter(({ series }) => series.length > 0)
        .map(({ definition, series }) => [
          definition.name,
          Object.fromEntries(series.map(({ labels, numbers }) => [labels.join(), numbers])),
        ]),
    );
  return { aggregate, thread, shown };
}

describe("Aggregate", () => {
  test("sums series with equal labels over all threads and keeps others apart", () => {
    const { thread, shown } = setUp();
    const [one, two] = [thread("worker 1"), thread("worker 2")];
    one.counter(COUNTER, "x").add(1);
    two.counter(COUNTER, "x").add(2);
    two.counter(COUNTER, "y").add(4);
    one.gauge(GAUGE, "x").set(-3);
    two.gauge(GAUGE, "x").set(5);
    one.histogram(HISTOGRAM).observe(1);
    two.histogram(HISTOGRAM).observe(7);
    expect(shown()).toEqual({
      c_total: { x: [3], y: [4] },
      g: { x: [2] },
      h: { "": [1, 0, 1, 8] },
    });
  });

  test("takes the largest value of a gauge that all threads see alike", () => {
    const { thread, shown } = setUp();
    thread("1").gauge(LARGEST, "x").set(3);
    thread("2").gauge(LARGEST, "x").set(4);
    thread("3").gauge(LARGEST, "x").set(3);
    expect(shown()).toEqual({ m: { x: [4] } });
  });

  test("sums equal series of one thread, as when a server is replaced by its like", () => {
    const { thread, shown } = setUp();
    const registry = thread("1");
    registry.counter(COUNTER, "x").add(1);
    registry.counter(COUNTER, "x").add(2);
    expect(shown()).toEqual({ c_total: { x: [3] } });
  });

  test("keeps what a dead thread counted and forgets its gauges", () => {
    const { aggregate, thread, shown } = setUp();
    const registry = thread("worker 1");
    registry.counter(COUNTER, "x").add(10);
    registry.gauge(GAUGE, "x").set(7);
    registry.histogram(HISTOGRAM).observe(2);
    aggregate.endSource("worker 1");
    const kept = { c_total: { x: [10] }, h: { "": [0, 1, 0, 2] } };
    expect(shown()).toEqual(kept);
    const next = thread("worker 1, second");
    next.counter(COUNTER, "x").add(5);
    next.gauge(GAUGE, "x").set(1);
    expect(shown()).toEqual({ ...kept, c_total: { x: [15] }, g: { x: [1] } });
  });

  test("gives what a dead thread's gauge said to the counters that are to have it", () => {
    const gauge: MetricDefinition = {
      name: "open",
      kind: "gauge",
      help: "",
      labels: ["a"],
      diesAs: [
        { counter: "c_total" },
        { counter: "r_total", labels: { why: "died" } },
        { counter: "unknown_total" },
      ],
    };
    const reasons: MetricDefinition = { ...COUNTER, name: "r_total", labels: ["why", "a"] };
    const { aggregate, thread, shown } = setUp([gauge, reasons]);
    const registry = thread("1");
    registry.counter(COUNTER, "x").add(10);
    registry.gauge(gauge, "x").set(7);
    registry.gauge(gauge, "y").set(0);
    const other = thread("2");
    other.gauge(gauge, "x").set(5);
    aggregate.endSource("1");
    expect(shown()).toEqual({
      c_total: { x: [17] },
      open: { x: [5] },
      r_total: { "died,x": [7] },
    });
  });

  test("never lets a total go back, however many generations of a worker die", () => {
    const { aggregate, thread, shown } = setUp();
    let last = 0;
    for (let generation = 1; generation <= 5; generation++) {
      thread(`worker ${generation}`).counter(COUNTER, "x").add(generation);
      for (const ended of [false, true]) {
        if (ended) aggregate.endSource(`worker ${generation}`);
        const now = shown()["c_total"]?.["x"]?.[0] ?? 0;
        expect(now).toBeGreaterThanOrEqual(last);
        last = now;
      }
    }
    expect(last).toBe(15);
  });

  test("drops a series when its last holder releases it, and begins it again at 0", () => {
    const { thread, shown } = setUp();
    const registry = thread("1");
    const counter = registry.counter(COUNTER, "x");
    counter.add(3);
    registry.release(counter);
    expect(shown()).toEqual({});
    registry.counter(COUNTER, "x").add(1);
    expect(shown()).toEqual({ c_total: { x: [1] } });
  });

  test("keeps the counts of a released series as long as another thread holds it", () => {
    const { thread, shown } = setUp();
    const [one, two] = [thread("1"), thread("2")];
    const [mine, theirs] = [one.counter(COUNTER, "x"), two.counter(COUNTER, "x")];
    const gauge = one.gauge(GAUGE, "x");
    two.gauge(GAUGE, "x").set(2);
    gauge.set(1);
    mine.add(3);
    theirs.add(4);
    one.release(mine);
    one.release(gauge);
    expect(shown()).toEqual({ c_total: { x: [7] }, g: { x: [2] } });
    two.release(theirs);
    expect(shown()).toEqual({ g: { x: [2] } });
  });

  test("drops what dead threads counted once the last living holder releases the series", () => {
    const { aggregate, thread, shown } = setUp();
    thread("1").counter(COUNTER, "x").add(3);
    aggregate.endSource("1");
    const next = thread("2");
    next.release(next.counter(COUNTER, "x"));
    expect(shown()).toEqual({});
  });

  test("shows no number of another series while the message of a release is on its way", () => {
    const { aggregate, shown } = setUp();
    const take = aggregate.source("1");
    const waiting: RegistryEvent[] = [];
    const registry = new Registry((event) => waiting.push(event));
    const deliver = (): void => waiting.splice(0).forEach(take);
    const before = registry.counter(COUNTER, "before");
    before.add(1000);
    deliver();
    registry.release(before);
    registry.counter(COUNTER, "after").add(1);
    expect(shown()).toEqual({});
    deliver();
    expect(shown()).toEqual({ c_total: { after: [1] } });
  });

  test("takes nothing for a dead thread's that stands in a place it had given away", () => {
    const { aggregate, shown } = setUp();
    const take = aggregate.source("1");
    let isDead = false;
    const registry = new Registry((event) => (isDead ? undefined : take(event)));
    const before = registry.counter(COUNTER, "before");
    before.add(1000);
    isDead = true;
    registry.release(before);
    registry.counter(COUNTER, "after").add(1);
    aggregate.endSource("1");
    expect(shown()).toEqual({});
  });

  test("ignores late events of a thread that has ended, and the end of one it does not know", () => {
    const { aggregate, thread, shown } = setUp();
    const registry = thread("1");
    aggregate.endSource("1");
    registry.counter(COUNTER, "x").add(1);
    aggregate.endSource("nobody");
    expect(shown()).toEqual({});
  });

  test("ends the source that had a name before", () => {
    const { thread, shown } = setUp();
    const first = thread("1");
    first.counter(COUNTER, "x").add(1);
    first.gauge(GAUGE, "x").set(1);
    thread("1").counter(COUNTER, "x").add(2);
    expect(shown()).toEqual({ c_total: { x: [3] } });
  });

  test("lists families in the order of the catalogue, and unknown ones last", () => {
    const aggregate = new Aggregate();
    const registry = new Registry(aggregate.source("1"));
    registry.counter(COUNTER, "x");
    const names = aggregate.collect().map(({ definition }) => definition.name);
    expect(names).toEqual([...CATALOGUE.map(({ name }) => name), "c_total"]);
  });

  test("shows other families in the place of its own", () => {
    const { aggregate } = setUp();
    const other = { definition: GAUGE, series: [{ labels: ["x"], numbers: [1] }] };
    expect(aggregate.collect([other])[1]).toBe(other);
    expect(aggregate.collect([other])).toHaveLength(4);
  });
});
