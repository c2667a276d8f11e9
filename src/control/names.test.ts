import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { Resolver } from "../discovery/resolver.ts";
import type { Resolution, WeightedAddress } from "../naming/resolution.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { Registry, type RegistryEvent } from "../telemetry/registry.ts";
import { Names, type NameState } from "./names.ts";

const PATH = "/svc/web";
const A: WeightedAddress = { ip: "10.0.0.1", port: 80, weight: 1 };
const B: WeightedAddress = { ip: "10.0.0.2", port: 80, weight: 1 };
const PENDING: Resolution = { state: "pending" };
const NEG: Resolution = { state: "neg" };
const FAILED: Resolution = { state: "failed", cause: "boom" };
const bound = (...endpoints: readonly WeightedAddress[]): Resolution => ({
  state: "bound",
  endpoints,
});

/** A source whose answers a test gives by hand. */
class ScriptedResolver implements Resolver {
  readonly watches: { readonly path: string; readonly signal: AbortSignal }[] = [];
  readonly #reports: ((resolution: Resolution) => void)[] = [];

  watch(path: string, signal: AbortSignal, report: (resolution: Resolution) => void): void {
    this.watches.push({ path, signal });
    this.#reports.push(report);
  }

  say(...answers: readonly Resolution[]): void {
    for (const answer of answers) for (const report of this.#reports) report(answer);
  }
}

/** The series of a registry by name and labels, read back from its pages. */
class Series {
  readonly #events: RegistryEvent[] = [];
  readonly registry = new Registry((event) => this.#events.push(event));

  /** Of the metric whose name ends so, with this label among its own; undefined when there is none. */
  value(name: string, label?: string): number | undefined {
    const released = new Set(this.#events.map((it) => (it.type === "release" ? it.series : 0)));
    for (const event of this.#events) {
      if (event.type !== "declare" || released.has(event.series)) continue;
      if (!event.definition.name.endsWith(name)) continue;
      if (label !== undefined && !event.labels.includes(label)) continue;
      const page = this.#events.find((it) => it.type === "page" && it.page === event.page);
      if (page?.type === "page") return new Float64Array(page.buffer)[event.slot + 1];
    }
    return undefined;
  }
}

let resolver: ScriptedResolver;
let series: Series;
let clock: FakeClock;
let lines: string[];
let fields: unknown[];
let names: Names;
let states: NameState[];

beforeEach(() => {
  resolver = new ScriptedResolver();
  series = new Series();
  clock = new FakeClock();
  lines = [];
  fields = [];
  const log: Logger = {
    ...silentLogger,
    info: (message, more) => {
      lines.push(message);
      fields.push(more?.());
    },
    warn: (message) => lines.push(message),
    error: (message) => lines.push(message),
  };
  names = new Names({ resolver, router: "r", registry: series.registry, log, clock });
  states = [];
});

const observe = (state: NameState): void => void states.push(state);
const last = (): NameState | undefined => states.at(-1);

describe("Names", () => {
  test("tells what is known at once, and each change", () => {
    names.follow(PATH, observe);
    expect(last()).toMatchObject({ resolution: PENDING, kept: undefined });
    resolver.say(bound(A), bound(A, B), bound({ ...A, weight: 2 }, B));
    expect(states.map((it) => it.resolution)).toEqual([
      PENDING,
      bound(A),
      bound(A, B),
      bound({ ...A, weight: 2 }, B),
    ]);
    expect(lines.length).toBe(3);
  });

  test("says nothing about an answer that is the same", () => {
    names.follow(PATH, observe);
    resolver.say(bound(A), bound({ ...A }), NEG, NEG, FAILED, { ...FAILED, cause: "again" });
    expect(states.map((it) => [it.resolution.state, it.kept])).toEqual([
      ["pending", undefined],
      ["bound", undefined],
      ["bound", "neg"],
      ["bound", "failed"],
    ]);
  });

  test.each([
    ["neg", NEG],
    ["failed", FAILED],
    ["empty", bound()],
  ] as const)(
    "keeps the last good endpoints on %s, says so once, counts each",
    (reason, answer) => {
      names.follow(PATH, observe);
      resolver.say(bound(A, B), answer, answer, answer);
      expect(last()).toMatchObject({ resolution: bound(A, B), kept: reason });
      expect(states.length).toBe(3);
      expect(lines.filter((line) => line.includes("keeping")).length).toBe(1);
      expect(series.value("_kept_total", reason)).toBe(3);
      expect(series.value("_endpoints")).toBe(2);
      resolver.say(bound(A, B));
      expect(last()).toMatchObject({ resolution: bound(A, B), kept: undefined });
      resolver.say(bound(B));
      expect(series.value("_endpoints")).toBe(1);
    },
  );

  test("passes on neg, failures and empty sets as long as there is nothing to keep", () => {
    names.follow(PATH, observe);
    resolver.say(NEG, FAILED, bound(), NEG, bound(A));
    expect(states.map((it) => it.resolution)).toEqual([
      PENDING,
      NEG,
      FAILED,
      bound(),
      NEG,
      bound(A),
    ]);
    expect(states.every((it) => it.kept === undefined)).toBe(true);
  });

  test("never goes back to pending", () => {
    names.follow(PATH, observe);
    resolver.say(bound(A), PENDING);
    expect(states.length).toBe(2);
  });

  test("keeps the age of what is in effect: confirmed by good answers, not by others", () => {
    names.follow(PATH, observe);
    names.refreshAges();
    expect(series.value("_age_seconds")).toBe(-1);
    resolver.say(FAILED);
    expect(last()?.lastConfirmedMs).toBeUndefined();
    resolver.say(bound(A));
    const told = last();
    expect(told?.lastConfirmedMs).toBe(clock.now());
    clock.advance(60_000);
    resolver.say(bound(A));
    expect(told?.lastConfirmedMs).toBe(clock.now());
    clock.advance(5_000);
    for (const answer of [NEG, FAILED, bound()]) resolver.say(answer);
    names.refreshAges();
    expect(series.value("_age_seconds")).toBe(5);
    expect(last()?.lastConfirmedMs).toBe(clock.now() - 5_000);
  });

  test("follows a name once for all observers, until the last one stops", () => {
    const other: NameState[] = [];
    const stop = names.follow(PATH, observe);
    resolver.say(bound(A));
    const stopOther = names.follow(PATH, (state) => other.push(state));
    expect(other.map((it) => it.resolution)).toEqual([bound(A)]);
    expect(resolver.watches.length).toBe(1);
    stop();
    stop();
    expect(resolver.watches[0]?.signal.aborted).toBe(false);
    resolver.say(bound(B));
    expect(states.length).toBe(2);
    expect(other.length).toBe(2);
    stopOther();
    expect(resolver.watches[0]?.signal.aborted).toBe(true);
    expect(series.value("_endpoints")).toBeUndefined();
    resolver.say(bound(A));
    expect(other.length).toBe(2);
    names.follow(PATH, observe);
    expect(resolver.watches.length).toBe(2);
    expect(last()?.resolution).toEqual(PENDING);
  });

  test("tells one function twice when it was given twice", () => {
    const stop = names.follow(PATH, observe);
    names.follow(PATH, observe);
    states.length = 0;
    resolver.say(bound(A));
    expect(states.length).toBe(2);
    stop();
    resolver.say(bound(B));
    expect(states.length).toBe(3);
  });

  test("an observer that throws hurts neither the others nor the source", () => {
    names.follow(PATH, () => {
      throw new Error("bad observer");
    });
    names.follow(PATH, observe);
    expect(() => resolver.say(bound(A))).not.toThrow();
    expect(last()?.resolution).toEqual(bound(A));
    expect(lines).toContain("cannot apply what a name stands for");
  });

  test("an observer may stop from within", () => {
    const stop: (() => void)[] = [];
    stop.push(
      names.follow(PATH, (state) => {
        if (state.resolution.state === "bound") stop[0]?.();
      }),
    );
    resolver.say(bound(A));
    expect(resolver.watches[0]?.signal.aborted).toBe(true);
  });

  test("takes the answers of a source that has them at once", () => {
    const atOnce: Resolver = { watch: (_path, _signal, report) => report(bound(A)) };
    const quick = new Names({
      resolver: atOnce,
      router: "r",
      registry: series.registry,
      log: silentLogger,
      clock,
    });
    quick.follow(PATH, observe);
    expect(states.map((it) => it.resolution)).toEqual([bound(A)]);
  });

  test("never empties a set that was not empty, whatever the answers", () => {
    const answer = fc.oneof(
      fc.constantFrom(PENDING, NEG, FAILED, bound()),
      fc.subarray([A, B]).map((endpoints) => bound(...endpoints)),
    );
    fc.assert(
      fc.property(fc.array(answer), (answers) => {
        const seen: NameState[] = [];
        const stop = names.follow(PATH, (state) => seen.push(state));
        let good: Resolution | undefined;
        for (const one of answers) {
          resolver.say(one);
          if (one.state === "bound" && one.endpoints.length > 0) good = one;
          if (good !== undefined) expect(seen.at(-1)?.resolution).toEqual(good);
        }
        stop();
      }),
    );
  });

  test("says little of a source that changes all the time, and all of it in the end", () => {
    names.follow(PATH, observe);
    for (let round = 0; round < 100; round += 1) {
      resolver.say(round % 2 === 0 ? bound(A, B) : bound(A));
      clock.advance(10);
    }
    expect(lines.length).toBeLessThan(15);
    clock.advance(2_000);
    expect(fields.at(-1)).toMatchObject({ endpoints: 1 });
    expect(clock.pending).toBe(0);
  });
});
