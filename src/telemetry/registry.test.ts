import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { MetricDefinition } from "./metrics.ts";
import { Registry, type RegistryEvent } from "./registry.ts";

const COUNTER: MetricDefinition = { name: "c", kind: "counter", help: "", labels: ["a"] };
const GAUGE: MetricDefinition = { name: "g", kind: "gauge", help: "", labels: [] };
const HISTOGRAM: MetricDefinition = {
  name: "h",
  kind: "histogram",
  help: "",
  labels: [],
  buckets: { first: 0, last: 2 },
};

type Declare = Extract<RegistryEvent, { type: "declare" }>;

function setUp() {
  const events: RegistryEvent[] = [];
  const registry = new Registry((event) => events.push(event));
  const pages = (): Float64Array[] =>
    events.flatMap((event) => (event.type === "page" ? [new Float64Array(event.buffer)] : []));
  const declared = (): Declare[] => events.filter((event) => event.type === "declare");
  /** What a reader finds at a declared series: its number, then `count` numbers. */
  const at = ({ page, slot }: Declare, count = 1): number[] =>
    Array.from(pages()[page]?.slice(slot, slot + 1 + count) ?? []);
  return { events, registry, pages, declared, at };
}

describe("Registry", () => {
  test("tells of a page before the first series in it", () => {
    const { registry, events } = setUp();
    registry.counter(COUNTER, "x");
    registry.gauge(GAUGE);
    expect(events.map(({ type }) => type)).toEqual(["page", "declare", "declare"]);
    expect(events[1]).toMatchObject({ series: 1, definition: COUNTER, labels: ["x"] });
  });

  test("tells only plain data that crosses threads and shares its memory", () => {
    const { registry, events } = setUp();
    const counter = registry.counter(COUNTER, "x");
    const copies = events.map((event) => structuredClone(event));
    counter.add(5);
    const [page, declare] = copies;
    if (page?.type !== "page" || declare?.type !== "declare") throw new Error("other events");
    expect(new Float64Array(page.buffer)[declare.slot + 1]).toBe(5);
  });

  test("puts the number of the series before what its handle counts", () => {
    const { registry, declared, at } = setUp();
    const histogram = registry.histogram(HISTOGRAM);
    const counter = registry.counter(COUNTER, "x");
    histogram.observe(3);
    counter.add(4);
    const [first, second] = declared() as [Declare, Declare];
    expect(at(first, 5)).toEqual([1, 0, 0, 1, 0, 3]);
    expect(at(second)).toEqual([2, 4]);
  });

  test("uses the place of a released series again, from 0 and under another number", () => {
    const { registry, declared, at, events } = setUp();
    const first = registry.counter(COUNTER, "x");
    first.add(9);
    registry.release(first);
    expect(events.at(-1)).toEqual({ type: "release", series: 1, numbers: [9] });
    const second = registry.gauge(GAUGE);
    expect(second.value).toBe(0);
    const [before, after] = declared() as [Declare, Declare];
    expect([after.page, after.slot]).toEqual([before.page, before.slot]);
    expect(at(before)).toEqual([2, 0]);
  });

  test("gives the place of a histogram to no smaller series", () => {
    const { registry, declared } = setUp();
    registry.release(registry.histogram(HISTOGRAM));
    registry.counter(COUNTER, "x");
    const [histogram, counter] = declared() as [Declare, Declare];
    expect(counter.slot).not.toBe(histogram.slot);
  });

  test("releases a handle once only", () => {
    const { registry, events } = setUp();
    const counter = registry.counter(COUNTER, "x");
    registry.release(counter);
    registry.release(counter);
    expect(events.filter(({ type }) => type === "release")).toHaveLength(1);
  });

  test("refuses a definition of another kind and a wrong number of labels", () => {
    const { registry, events } = setUp();
    expect(() => registry.counter(GAUGE)).toThrow(TypeError);
    expect(() => registry.gauge(HISTOGRAM)).toThrow(TypeError);
    expect(() => registry.histogram(COUNTER, "x")).toThrow(TypeError);
    expect(() => registry.counter(COUNTER)).toThrow("c is a counter with 1 labels");
    expect(() => registry.gauge(GAUGE, "x")).toThrow(TypeError);
    expect(events).toEqual([]);
  });

  test("keeps the places of live series apart through any order of new and released series", () => {
    const steps = fc.array(fc.record({ histogram: fc.boolean(), release: fc.option(fc.nat(20)) }), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const { registry, declared, at } = setUp();
        const live: { readonly handle: object; readonly number: number }[] = [];
        for (const { histogram, release } of all) {
          const handle = histogram ? registry.histogram(HISTOGRAM) : registry.gauge(GAUGE);
          const number = declared().length;
          if ("set" in handle) handle.set(number);
          else for (let times = 0; times < number; times++) handle.observe(1);
          live.push({ handle, number });
          if (release !== null && release < live.length) {
            const [gone] = live.splice(release, 1);
            registry.release(gone?.handle as Parameters<Registry["release"]>[0]);
          }
        }
        const byNumber = new Map(declared().map((event) => [event.series, event]));
        for (const { number } of live)
          expect(at(byNumber.get(number) as Declare)).toEqual([number, number]);
      }),
      { numRuns: 30 },
    );
  });
});
