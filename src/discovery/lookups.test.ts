import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { parseDtab } from "../naming/dtab.ts";
import { DtabIndex } from "../naming/dtab-index.ts";
import type { PathLabels } from "../naming/path.ts";
import type { BoundTree, LookupTree, Outcome } from "../naming/tree.ts";
import { Lookups, MOST_LOOKUPS } from "./lookups.ts";
import type { Namer } from "./namer.ts";
import { SharedBind } from "./shared-bind.ts";

type Report = (answer: Outcome<LookupTree>) => void;

/** A namer of which each name is answered for when a test says so. */
class ManualNamer implements Namer {
  readonly followed = new Map<string, Report>();
  begun = 0;

  lookup(path: PathLabels, signal: AbortSignal, report: Report): void {
    const name = path.join("/");
    this.begun += 1;
    this.followed.set(name, report);
    signal.addEventListener("abort", () => this.followed.delete(name), { once: true });
  }

  addresses(): void {}

  say(name: string): void {
    const value = { kind: "bound", name: { id: `/#/a/${name}`, residual: [] } } as const;
    this.followed.get(name)?.({ state: "ok", value: { kind: "leaf", value } });
  }
}

let clock: FakeClock;
let namer: ManualNamer;

beforeEach(() => {
  clock = new FakeClock();
  namer = new ManualNamer();
});

/** Lookups of these names, each evaluation of which takes so long. */
function evaluating(names: readonly string[], costMs: () => number) {
  const result = { evaluations: 0 };
  const evaluate = (): void => {
    result.evaluations += 1;
    lookups.during((lookup) => {
      for (const name of names) lookup(["#", "a", name]);
      clock.advance(costMs());
    });
  };
  const lookups = new Lookups([{ prefix: ["#", "a"], namer }], clock, evaluate);
  evaluate();
  return { result, lookups };
}

describe("Lookups", () => {
  test("are evaluated from a timer, once for all answers that came before it", () => {
    const { result, lookups } = evaluating(["x", "y"], () => 0);
    expect(lookups.arePending).toBe(true);
    namer.say("x");
    expect(lookups.arePending).toBe(true);
    namer.say("y");
    expect([result.evaluations, lookups.arePending]).toEqual([1, false]);
    clock.advance(0);
    expect(result.evaluations).toBe(2);
    clock.advance(10_000);
    expect([result.evaluations, clock.pending]).toEqual([2, 0]);
  });

  test("of a thousand answers that come one by one cost a tenth of the time at most", () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `n${n}`);
    let spentMs = 0;
    const { result } = evaluating(names, () => {
      spentMs += 5;
      return 5;
    });
    const startMs = clock.now();
    for (const name of names) {
      namer.say(name);
      clock.advance(1);
    }
    // Half a second of credit is ten evaluations.
    const wallMs = clock.now() - startMs;
    expect(spentMs).toBeLessThanOrEqual(wallMs / 10 + 60);
    expect(result.evaluations).toBeGreaterThan(10);
    const before = result.evaluations;
    clock.advance(1_000);
    expect(result.evaluations).toBe(before + 1);
  });

  test("wait no longer than a second for an evaluation that was very long", () => {
    const { result } = evaluating(["x"], () => 5_000);
    namer.say("x");
    clock.advance(999);
    expect(result.evaluations).toBe(1);
    clock.advance(1);
    expect(result.evaluations).toBe(2);
  });

  test("leave no timer and no watch behind", () => {
    const { result, lookups } = evaluating(["x"], () => 0);
    namer.say("x");
    lookups.stop();
    clock.advance(1_000);
    expect([result.evaluations, namer.followed.size, clock.pending]).toEqual([1, 0, 0]);
  });

  test("tell names apart whose labels have slashes in them", () => {
    const lookups = new Lookups([{ prefix: ["#"], namer }], clock, () => {});
    lookups.during((lookup) => [lookup(["#", "a/b"]), lookup(["#", "a", "b"])]);
    expect(namer.begun).toBe(2);
  });

  test("beyond a thousand in one evaluation have failed, and ask nobody", () => {
    const lookups = new Lookups([{ prefix: ["#"], namer }], clock, () => {});
    const ask = (count: number): readonly Outcome<LookupTree>[] =>
      lookups.during((lookup) => Array.from({ length: count }, (_, n) => lookup(["#", `n${n}`])));
    expect(ask(MOST_LOOKUPS).at(-1)).toEqual({ state: "pending" });
    expect(lookups.cause).toBeUndefined();
    const cause = "a delegation may ask namers for 1,000 names at most";
    expect(ask(MOST_LOOKUPS + 1).at(-1)).toEqual({ state: "failed", cause });
    expect([lookups.cause, namer.begun]).toEqual([cause, MOST_LOOKUPS]);
    ask(1);
    expect([lookups.cause, namer.followed.size]).toEqual([undefined, 1]);
  });
});

describe("SharedBind", () => {
  test("fails where a name leads to more lookups than it may, even if others are well", async () => {
    const union = Array.from({ length: MOST_LOOKUPS + 1 }, (_, n) => `/#/a/n${n}`).join(" & ");
    const parsed = parseDtab(`/svc => ${union}`);
    if (!parsed.ok) throw new Error(parsed.message);
    const index = new DtabIndex(parsed.dtab);
    const bind = new SharedBind(["svc"], index, [{ prefix: ["#", "a"], namer }], clock);
    const told: Outcome<BoundTree>[] = [];
    bind.audience.add(
      new AbortController().signal,
      (tree) => told.push(tree),
      () => {},
    );
    await Promise.resolve();
    for (const name of [...namer.followed.keys()]) namer.say(name);
    clock.advance(5_000);
    const cause = "a delegation may ask namers for 1,000 names at most";
    expect(told).toEqual([{ state: "failed", cause }]);
    bind.stop();
    expect([namer.followed.size, clock.pending]).toEqual([0, 0]);
  });
});
