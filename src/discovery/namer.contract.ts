// What every Namer with addresses must do, whatever its source. Each implementation's test file runs it.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { until } from "../../test/support/until.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { PathLabels } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { LookupTree, Outcome } from "../naming/tree.ts";
import { LINGER_MS } from "./followed-names.ts";
import type { Namer } from "./namer.ts";

/** A namer with its source, in the hands of the suite. */
export interface NamerUnderTest {
  readonly namer: Namer;
  /** Its whole prefix, such as `/#/io.l5d.fs`. */
  readonly prefix: string;
  /** A name of the source, as one segment. */
  readonly name: string;
  /** What it stands for before any change, `ip:port` with IPv4; one address or more. */
  readonly initially: readonly string[];
  /** Makes the name stand for these endpoints, or takes it away; undefined where the source never changes. */
  readonly bind: ((addresses: readonly string[] | undefined) => void | Promise<void>) | undefined;
  /** A path that the source does not know. */
  readonly unknown: PathLabels;
  /** Connections, watched folders and the like that are open now; undefined where there is nothing of the kind. */
  readonly openHandles?: () => number;
  close(): void | Promise<void>;
}

/** Reports of one watch, in order. */
class Reports<T> {
  readonly all: T[] = [];
  readonly #abort = new AbortController();

  constructor(begin: (signal: AbortSignal, report: (value: T) => void) => void) {
    let hasReturned = false;
    begin(this.#abort.signal, (value) => {
      expect(hasReturned).toBe(true);
      this.all.push(value);
    });
    hasReturned = true;
  }

  get last(): T | undefined {
    return this.all.at(-1);
  }

  stop(): void {
    this.#abort.abort();
  }
}

function shown(answer: Resolution | undefined): readonly string[] | string | undefined {
  if (answer?.state !== "bound") return answer?.state;
  return answer.endpoints.map(({ ip, port }) => `${ip}:${port}`).sort();
}

/**
 * Declares the contract suite for one kind of namer.
 *
 * @param name the kind, for the test names
 * @param make a new namer over a new source, whose timers are those of `clock`
 */
export function describeNamer(
  name: string,
  make: (clock: FakeClock) => Promise<NamerUnderTest>,
): void {
  describe(`${name} as a Namer`, () => {
    let clock: FakeClock;
    let it: NamerUnderTest;
    const started: Reports<unknown>[] = [];

    beforeEach(async () => {
      clock = new FakeClock();
      it = await make(clock);
    });

    afterEach(async () => {
      for (const reports of started.splice(0)) reports.stop();
      await it.close();
    });

    function lookup(path: PathLabels): Reports<Outcome<LookupTree>> {
      const reports = new Reports<Outcome<LookupTree>>((signal, report) =>
        it.namer.lookup(path, signal, report),
      );
      started.push(reports);
      return reports;
    }

    function addresses(id: PathLabels): Reports<Resolution> {
      const reports = new Reports<Resolution>((signal, report) =>
        it.namer.addresses(id, signal, report),
      );
      started.push(reports);
      return reports;
    }

    const leaf = (residual: PathLabels): Outcome<LookupTree> => ({
      state: "ok",
      value: {
        kind: "leaf",
        value: { kind: "bound", name: { id: `${it.prefix}/${it.name}`, residual } },
      },
    });
    const neg: Outcome<LookupTree> = { state: "ok", value: { kind: "neg" } };
    const becomes = (what: string, condition: () => boolean): Promise<void> =>
      until(what, () => {
        clock.advance(10);
        return condition();
      });

    test("binds a name to its id, and the rest of the path is left over", async () => {
      const [bare, longer] = [lookup([it.name]), lookup([it.name, "and", "more"])];
      await until("both", () => bare.all.length > 0 && longer.all.length > 0);
      expect(bare.last).toEqual(leaf([]));
      expect(longer.last).toEqual(leaf(["and", "more"]));
    });

    test("knows the addresses of the id it gave", async () => {
      const reports = addresses([it.name]);
      await until("an answer", () => reports.all.length > 0);
      expect(shown(reports.last)).toEqual([...it.initially].sort());
    });

    test("what it does not know is neg, looked up and asked for its addresses", async () => {
      const [tree, resolution] = [lookup(it.unknown), addresses(it.unknown)];
      await until("both", () => tree.all.length > 0 && resolution.all.length > 0);
      expect(tree.last).toEqual(neg);
      expect(resolution.last).toEqual({ state: "neg" });
    });

    test("answers any path, never throws, and says nothing before it returns", async () => {
      const odd = [[], ["..", "x"], ["\0"], ["a/b"], ["\xff"], [" ", it.name], ["x".repeat(5_000)]];
      const all = odd.flatMap((path): Reports<unknown>[] => [lookup(path), addresses(path)]);
      await until("an answer for each", () => all.every((one) => one.all.length > 0));
    });

    test("follows a name that changes, goes and comes back", async () => {
      if (it.bind === undefined) return;
      const [tree, resolution] = [lookup([it.name]), addresses([it.name])];
      await until("both", () => tree.all.length > 0 && resolution.all.length > 0);
      await it.bind(["10.1.0.1:1", "10.1.0.2:2"]);
      await becomes("a change", () =>
        Bun.deepEquals(shown(resolution.last), ["10.1.0.1:1", "10.1.0.2:2"]),
      );
      expect(tree.last).toEqual(leaf([]));
      await it.bind(undefined);
      await becomes("neg", () => Bun.deepEquals(tree.last, neg));
      expect(resolution.last).toEqual({ state: "neg" });
      await it.bind(["10.1.0.3:3"]);
      await becomes("the name again", () => Bun.deepEquals(tree.last, leaf([])));
      expect(shown(resolution.last)).toEqual(["10.1.0.3:3"]);
    });

    test("tells several watches of one name alike, and stops one without the other", async () => {
      const [first, second] = [addresses([it.name]), addresses([it.name])];
      await until("both", () => [first, second].every((one) => one.last?.state === "bound"));
      first.stop();
      const before = first.all.length;
      await it.bind?.(["10.1.0.9:9"]);
      const wanted = it.bind === undefined ? [...it.initially].sort() : ["10.1.0.9:9"];
      await becomes("the second to follow", () => Bun.deepEquals(shown(second.last), wanted));
      expect(first.all.length).toBe(before);
    });

    test("reports nothing when it is aborted before it begins", async () => {
      const reports: unknown[] = [];
      const gone = AbortSignal.abort();
      it.namer.lookup([it.name], gone, (answer) => reports.push(answer));
      it.namer.addresses([it.name], gone, (answer) => reports.push(answer));
      it.namer.names?.(gone, (ids) => reports.push(ids));
      expect(clock.pending).toBe(0);
      const other = addresses([it.name]);
      await until("another watch", () => other.last?.state === "bound");
      expect(reports).toEqual([]);
    });

    test("leaves nothing behind when it is aborted, at whatever moment", async () => {
      for (let turns = 0; turns < 8; turns++) {
        const reports = [lookup([it.name, "x"]), addresses([it.name]), lookup(it.unknown)];
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        for (const one of reports) one.stop();
        clock.advance(LINGER_MS);
        expect(clock.pending).toBe(0);
      }
      const settled = lookup([it.name]);
      await until("an answer", () => settled.all.length > 0);
      settled.stop();
      clock.advance(LINGER_MS);
      expect(clock.pending).toBe(0);
      await until("no handle is left", () => (it.openHandles?.() ?? 0) === 0);
    });

    test("may be aborted from within a report", async () => {
      const abort = new AbortController();
      const reports: Resolution[] = [];
      it.namer.addresses([it.name], abort.signal, (answer) => {
        reports.push(answer);
        abort.abort();
      });
      await until("a report", () => reports.length > 0);
      clock.advance(600_000);
      expect(clock.pending).toBe(0);
      expect(reports.length).toBe(1);
    });
  });
}
