// What every Resolver must do, whatever its source. Each implementation's test file runs it.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../../test/support/until.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { Resolver } from "./resolver.ts";

/** A resolver with its source, in the hands of the suite. */
export interface ResolverUnderTest {
  readonly resolver: Resolver;
  /** A path that the source can change. */
  readonly path: string;
  /** Makes the path stand for these endpoints, `ip:port` with IPv4; undefined where the source never changes. */
  readonly bind: ((...addresses: readonly string[]) => void | Promise<void>) | undefined;
  /** What the path stands for before any change; one address or more. */
  readonly initially: readonly string[];
  /** A path that the source does not know. */
  readonly unknownPath: string;
  /** Connections, watched files and the like that are open now; undefined where there is nothing of the kind. */
  readonly openHandles?: () => number;
  close(): void | Promise<void>;
}

/** Reports of one watch, in order. */
class Reports {
  readonly all: Resolution[] = [];
  readonly #abort = new AbortController();

  constructor(resolver: Resolver, path: string) {
    resolver.watch(path, this.#abort.signal, (resolution) => this.all.push(resolution));
  }

  get last(): Resolution | undefined {
    return this.all.at(-1);
  }

  /** The addresses of the last answer, sorted, or its state. */
  get addresses(): readonly string[] | string | undefined {
    const { last } = this;
    if (last?.state !== "bound") return last?.state;
    return last.endpoints.map(({ ip, port }) => `${ip}:${port}`).sort();
  }

  stop(): void {
    this.#abort.abort();
  }
}

/**
 * Declares the contract suite for one kind of resolver.
 *
 * @param name the kind, for the test names
 * @param make a new resolver over a new source, whose timers are those of `clock`
 */
export function describeResolver(
  name: string,
  make: (clock: FakeClock) => Promise<ResolverUnderTest>,
): void {
  describe(`${name} as a Resolver`, () => {
    let clock: FakeClock;
    let it: ResolverUnderTest;
    const started: Reports[] = [];

    beforeEach(async () => {
      clock = new FakeClock();
      it = await make(clock);
    });

    afterEach(async () => {
      for (const reports of started.splice(0)) reports.stop();
      await it.close();
    });

    function watch(path: string): Reports {
      const reports = new Reports(it.resolver, path);
      started.push(reports);
      return reports;
    }

    test("reports what a name stands for, without any time passing", async () => {
      const reports = watch(it.path);
      await until("the first answer", () => reports.last?.state === "bound");
      expect(reports.addresses).toEqual([...it.initially].sort());
    });

    test("reports neg for a name that does not exist, without any time passing", async () => {
      const reports = watch(it.unknownPath);
      await until("neg", () => reports.last?.state === "neg");
    });

    test("answers any path with a resolution and never throws", async () => {
      const paths = ["", "/", "//", "svc", "/svc/", "/../..", "/\\x2e\\x2e", "/\\x00", "/$/inet"];
      const all = [...paths, "/$/inet/x", "/é", "/\ud800"].map(watch);
      await until("an answer for each", () => all.every((one) => one.all.length > 0));
      for (const reports of all) expect(reports.last?.state).not.toBe("bound");
    });

    test("reports changes in their order, each answer whole", async () => {
      if (it.bind === undefined) return;
      const reports = watch(it.path);
      await until("the first answer", () => reports.last?.state === "bound");
      for (const next of [["10.1.0.1:1", "10.1.0.2:2"], ["10.1.0.2:2"], ["10.1.0.3:3"]]) {
        await it.bind(...next);
        await until(`change to ${next}`, () => {
          clock.advance(10);
          return Bun.deepEquals(reports.addresses, next);
        });
      }
    });

    test("tells several watches of one name alike, and stops one without the other", async () => {
      const [first, second] = [watch(it.path), watch(it.path)];
      await until("both", () => [first, second].every((one) => one.last?.state === "bound"));
      first.stop();
      const before = first.all.length;
      await it.bind?.("10.1.0.9:9");
      const wanted = it.bind === undefined ? [...it.initially].sort() : ["10.1.0.9:9"];
      await until("the second to follow", () => {
        clock.advance(10);
        return Bun.deepEquals(second.addresses, wanted);
      });
      expect(first.all.length).toBe(before);
    });

    test("reports nothing when it is aborted before it begins", async () => {
      const reports: Resolution[] = [];
      it.resolver.watch(it.path, AbortSignal.abort(), (resolution) => reports.push(resolution));
      clock.advance(60_000);
      const other = watch(it.path);
      await until("another watch", () => other.last?.state === "bound");
      expect(reports).toEqual([]);
    });

    test("leaves no timer and no handle behind when it is aborted, at whatever moment", async () => {
      for (let turns = 0; turns < 8; turns++) {
        const reports = [watch(it.path), watch(it.unknownPath)];
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        for (const one of reports) one.stop();
        expect(clock.pending).toBe(0);
      }
      const settled = watch(it.path);
      await until("an answer", () => settled.last?.state === "bound");
      settled.stop();
      expect(clock.pending).toBe(0);
      await until("no handle is left", () => (it.openHandles?.() ?? 0) === 0);
      expect(clock.pending).toBe(0);
    });

    test("may be aborted from within a report", async () => {
      const abort = new AbortController();
      const reports: Resolution[] = [];
      it.resolver.watch(it.path, abort.signal, (resolution) => {
        reports.push(resolution);
        abort.abort();
      });
      await until("a report", () => reports.length > 0);
      clock.advance(600_000);
      expect(clock.pending).toBe(0);
      expect(reports.length).toBe(1);
    });
  });
}
