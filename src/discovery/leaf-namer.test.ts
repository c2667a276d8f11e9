import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { boundTo, FakeSource } from "../../test/support/fake-source.ts";
import { Samples } from "../../test/support/samples.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { LookupTree, Outcome } from "../naming/tree.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { LINGER_MS, MAX_LINGERING } from "./followed-names.ts";
import { type GuardedNamer, leafNamer, type LeafOptions, NEG } from "./leaf-namer.ts";
import { describeNamer } from "./namer.contract.ts";
import { NamerMetrics } from "./namer-metrics.ts";

const PREFIX = "/#/fake";
const CONFIRMS_MS = 60_000;
const FAILED: Resolution = { state: "failed", cause: "boom" };
const LEAF: Outcome<LookupTree> = {
  state: "ok",
  value: { kind: "leaf", value: { kind: "bound", name: { id: "/#/fake/web", residual: [] } } },
};

describeNamer("leafNamer", async (clock) => {
  const source = new FakeSource({ state: "neg" });
  source.say("web", boundTo("10.0.0.1:80"));
  const metrics = new NamerMetrics(new Samples().registry, PREFIX);
  const options = { failedMeans: "source", confirmsWithinMs: CONFIRMS_MS } as const;
  return {
    namer: leafNamer(PREFIX, source, { clock, log: silentLogger, metrics }, options),
    prefix: PREFIX,
    name: "web",
    initially: ["10.0.0.1:80"],
    bind: (addresses) =>
      source.say("web", addresses === undefined ? { state: "neg" } : boundTo(...addresses)),
    unknown: ["none"],
    openHandles: () => source.watched,
    close() {},
  };
});

describe("leafNamer()", () => {
  let source: FakeSource;
  let clock: FakeClock;
  let samples: Samples;
  let metrics: NamerMetrics;
  let namer: GuardedNamer;
  let lines: string[];
  let abort: AbortController;

  beforeEach(() => {
    clock = new FakeClock();
    abort = new AbortController();
    make("source");
  });

  afterEach(() => {
    abort.abort();
    clock.advance(LINGER_MS);
    expect(clock.pending).toBe(0);
    expect(source.watched).toBe(0);
  });

  function make(failedMeans: LeafOptions["failedMeans"]): void {
    source = new FakeSource();
    samples = new Samples();
    metrics = new NamerMetrics(samples.registry, PREFIX);
    lines = [];
    const log: Logger = {
      ...silentLogger,
      warn: (message, fields) => lines.push(`${message} ${JSON.stringify(fields?.())}`),
    };
    const options = { failedMeans, confirmsWithinMs: CONFIRMS_MS };
    namer = leafNamer(PREFIX, source, { clock, log, metrics }, options);
  }

  const value = (name: string): number | undefined => {
    metrics.set(namer.status());
    return samples.value(`l5d_namer_${name}`, PREFIX);
  };

  /** Both ways of watching one name, with all they were told. */
  async function watch(name = "web", signal = abort.signal) {
    const trees: Outcome<LookupTree>[] = [];
    const answers: Resolution[] = [];
    namer.lookup([name], signal, (tree) => trees.push(tree));
    namer.addresses([name], signal, (answer) => answers.push(answer));
    await turn();
    return { trees, answers };
  }
  /** Lets all that was put off to the end of this turn happen. */
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("follows the source once for lookups and addresses, whoever watches", async () => {
    for (let n = 0; n < 50; n++) await watch();
    expect(source.begun).toBe(1);
    expect(namer.status().names).toBe(1);
  });

  test("keeps following for a while, so that watchers who come and go do not ask the source anew", async () => {
    source.say("web", boundTo("10.0.0.1:80"));
    for (let n = 0; n < 20; n++) {
      const one = new AbortController();
      const { trees } = await watch("web", one.signal);
      expect(trees).toEqual([LEAF]);
      one.abort();
      clock.advance(LINGER_MS - 1);
    }
    expect(source.begun).toBe(1);
    clock.advance(1);
    expect(source.watched).toBe(0);
    expect(clock.pending).toBe(0);
    await watch();
    expect(source.begun).toBe(2);
  });

  test("lets no more than so many names linger, the longest first to go", async () => {
    const short = new AbortController();
    for (let n = 0; n < MAX_LINGERING + 10; n++) namer.lookup([`n${n}`], short.signal, () => {});
    expect(source.watched).toBe(MAX_LINGERING + 10);
    short.abort();
    expect(source.watched).toBe(MAX_LINGERING);
    expect([source.watching("n9"), source.watching("n10")]).toEqual([0, 1]);
  });

  test("says nothing while nothing is known", async () => {
    source.say("web", { state: "pending" });
    const { trees, answers } = await watch();
    expect([trees, answers]).toEqual([[], []]);
    source.say("web", boundTo("10.0.0.1:80"));
    source.say("web", { state: "pending" });
    expect(trees).toEqual([LEAF]);
    expect(answers).toEqual([boundTo("10.0.0.1:80")]);
  });

  test("passes confirmations on", async () => {
    const { trees, answers } = await watch();
    for (let n = 0; n < 3; n++) source.say("web", boundTo("10.0.0.1:80"));
    expect([trees.length, answers.length]).toEqual([3, 3]);
  });

  test("a source that fails before its first answer has failed, so that nobody takes the name for unknown", async () => {
    source.say("web", FAILED);
    const { trees, answers } = await watch();
    expect(trees).toEqual([FAILED]);
    expect(answers).toEqual([FAILED]);
    expect(namer.status().failing).toBe("/#/fake/web: boom");
    source.say("web", boundTo("10.0.0.1:80"));
    expect(trees.at(-1)).toEqual(LEAF);
    expect(namer.status().failing).toBeUndefined();
    expect(value("kept_total")).toBe(0);
  });

  test("a source that fails later keeps its last answer, whatever it was, and that is counted and logged once", async () => {
    for (const good of [boundTo("10.0.0.1:80"), boundTo(), { state: "neg" } as const]) {
      make("source");
      source.say("web", good);
      const { trees, answers } = await watch();
      source.say("web", FAILED);
      source.say("web", FAILED);
      expect([trees.length, answers.length]).toEqual([1, 1]);
      expect(answers).toEqual([good]);
      expect(value("kept_total")).toBe(2);
      expect(namer.status().failing).toBe("/#/fake/web: boom");
      expect(lines).toEqual(['keeping the last good answer {"name":"/#/fake/web","cause":"boom"}']);
      const late = await watch();
      expect(late.answers).toEqual([good]);
      abort.abort();
      abort = new AbortController();
      clock.advance(LINGER_MS);
    }
  });

  test("a name whose content is bad exists, and its addresses have failed", async () => {
    make("content");
    source.say("web", { state: "neg" });
    const { trees, answers } = await watch();
    source.say("web", FAILED);
    expect(trees).toEqual([NEG, LEAF]);
    expect(answers.at(-1)).toEqual(FAILED);
    source.say("web", boundTo("10.0.0.1:80"));
    source.say("web", FAILED);
    expect(answers.at(-1)).toEqual(boundTo("10.0.0.1:80"));
    expect(value("kept_total")).toBe(1);
  });

  test("a name that loses all its endpoints is obeyed, and told in metrics, status and log", async () => {
    for (const [gone, word] of [
      [{ state: "neg" }, "neg"],
      [boundTo(), "none"],
    ] as const) {
      make("source");
      source.say("web", boundTo("10.0.0.1:80", "10.0.0.2:80"));
      const { answers } = await watch();
      expect([value("emptied_total"), namer.status().emptied]).toEqual([0, 0]);
      source.say("web", gone);
      source.say("web", gone);
      expect(answers.at(-1)).toEqual(gone);
      expect([value("emptied_total"), namer.status().emptied]).toEqual([1, 1]);
      expect(lines).toEqual([
        `a name has lost all its endpoints {"name":"/#/fake/web","before":2,"now":"${word}"}`,
      ]);
      source.say("web", boundTo("10.0.0.1:80"));
      expect([value("emptied_total"), namer.status().emptied]).toEqual([1, 0]);
      abort.abort();
      abort = new AbortController();
      clock.advance(LINGER_MS);
    }
  });

  test("many names that fail or lose their endpoints at once are few lines in the log", async () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `n${n}`);
    for (const name of names) {
      source.say(name, boundTo("10.0.0.1:80"));
      await watch(name);
    }
    for (const name of names) source.say(name, FAILED);
    for (const name of names) source.say(name, { state: "neg" });
    clock.advance(1_000);
    expect([value("kept_total"), value("emptied_total")]).toEqual([1_000, 1_000]);
    expect(lines.length).toBe(22);
    expect(lines.filter((line) => line.includes('"names":990')).length).toBe(2);
  });

  test("what the log was not told yet is told when the last name is given up", async () => {
    for (let n = 0; n < 15; n++) {
      source.say(`n${n}`, boundTo("10.0.0.1:80"));
      await watch(`n${n}`);
    }
    abort.abort();
    clock.advance(LINGER_MS - 1);
    for (let n = 0; n < 15; n++) source.say(`n${n}`, FAILED);
    expect(lines.length).toBe(10);
    clock.advance(1);
    expect(lines.length).toBe(11);
    expect(clock.pending).toBe(0);
  });

  test("a name that never had endpoints has lost none", async () => {
    const { answers } = await watch();
    for (const answer of [{ state: "neg" } as const, boundTo(), { state: "neg" } as const]) {
      source.say("web", answer);
    }
    expect(answers.length).toBe(3);
    expect(lines).toEqual([]);
    expect(value("emptied_total")).toBe(0);
  });

  test("a source that is silent for longer than it promised is told in metrics and status, and logged in one line", async () => {
    for (const name of ["web", "api", "db"]) {
      source.say(name, boundTo("10.0.0.1:80"));
      await watch(name);
    }
    clock.advance(CONFIRMS_MS);
    expect(value("silent_names")).toBe(0);
    source.say("db", boundTo("10.0.0.1:80"));
    clock.advance(CONFIRMS_MS);
    expect(value("silent_names")).toBe(2);
    expect(lines.length).toBe(1);
    expect(lines[0]).toContain('"name":"/#/fake/web","names":2,"expectedEverySeconds":60');
    source.say("web", boundTo("10.0.0.1:80"));
    expect(value("silent_names")).toBe(1);
    clock.advance(CONFIRMS_MS * 3);
    expect(value("silent_names")).toBe(3);
    expect(lines.length).toBe(3);
  });

  test("failures are no silence, and no confirmation", async () => {
    source.say("web", boundTo("10.0.0.1:80"));
    await watch();
    for (let n = 0; n < 5; n++) {
      clock.advance(CONFIRMS_MS / 2);
      source.say("web", FAILED);
    }
    expect(value("silent_names")).toBe(0);
    expect(value("oldest_confirmation_age_seconds")).toBe(150);
  });

  test("tells how old the oldest answer is, and how many names are followed", async () => {
    expect([value("names"), value("oldest_confirmation_age_seconds")]).toEqual([0, -1]);
    await watch("web");
    clock.advance(1_000);
    expect([value("names"), value("oldest_confirmation_age_seconds")]).toEqual([1, -1]);
    source.say("web", boundTo("10.0.0.1:80"));
    source.say("api", { state: "neg" });
    await watch("api");
    clock.advance(2_000);
    source.say("api", { state: "neg" });
    expect([value("names"), value("oldest_confirmation_age_seconds")]).toEqual([2, 2]);
  });

  test("a path that is no name of the source is neg, and the source is not asked", async () => {
    const trees: Outcome<LookupTree>[] = [];
    namer.lookup([], abort.signal, (tree) => trees.push(tree));
    await turn();
    expect(trees).toEqual([NEG]);
    expect(source.begun).toBe(0);
  });
});
