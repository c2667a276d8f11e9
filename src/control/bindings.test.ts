import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { Binding, Interpreter } from "../discovery/interpreter.ts";
import type { Resolution } from "../naming/resolution.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { Bindings, type BoundState } from "./bindings.ts";

const PATH = "/svc/web";
const NEG: Resolution = { state: "neg" };
const FAILED: Resolution = { state: "failed", cause: "boom" };

/** Addresses of 10.0.0.1 on these ports. */
const on = (...ports: readonly number[]): Resolution => ({
  state: "bound",
  endpoints: ports.map((port) => ({ ip: "10.0.0.1", port, weight: 1 })),
});
const to = (...branches: readonly (readonly [id: string, weight: number])[]): Binding => ({
  state: "bound",
  branches: branches.map(([id, weight]) => ({ id, weight })),
});

/** An interpreter whose answers a test gives by hand. */
class Script implements Interpreter {
  readonly ids = new Map<string, (resolution: Resolution) => void>();
  say: (binding: Binding) => void = () => {};
  bindSignal: AbortSignal | undefined;

  bind(_path: string, signal: AbortSignal, report: (binding: Binding) => void): void {
    this.say = report;
    this.bindSignal = signal;
  }

  addresses(id: string, signal: AbortSignal, report: (resolution: Resolution) => void): void {
    this.ids.set(id, report);
    signal.addEventListener("abort", () => this.ids.delete(id));
  }

  tell(id: string, resolution: Resolution): void {
    this.ids.get(id)?.(resolution);
  }
}

let script: Script;
let clock: FakeClock;
let lines: string[];
let state: BoundState | undefined;
let stop: () => void;

beforeEach(() => {
  script = new Script();
  clock = new FakeClock();
  lines = [];
  const note = (message: string): void => void lines.push(message);
  const log: Logger = { ...silentLogger, info: note, warn: note, error: note };
  const registry = new Registry(() => {});
  const bindings = new Bindings({ interpreter: script, router: "r", registry, log, clock });
  stop = bindings.follow(PATH, (it) => {
    state = it;
  });
});

/** Branches in effect, as id to ports. */
const ports = (): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(
    (state?.branches ?? []).map(({ id, endpoints }) => [id, endpoints.map(({ port }) => port)]),
  );

describe("Bindings", () => {
  test("has branches with their weights and endpoints, and follows both", () => {
    expect(state).toMatchObject({ state: "pending", known: false, branches: [] });
    script.say(to(["/#/a", 0.9], ["/#/b", 0.1]));
    script.tell("/#/a", on(1, 2));
    script.tell("/#/b", on(3));
    expect(state).toMatchObject({
      state: "bound",
      known: true,
      kept: undefined,
      branches: [{ weight: 0.9 }, { weight: 0.1 }],
    });
    script.tell("/#/b", on(3, 4));
    expect(ports()).toEqual({ "/#/a": [1, 2], "/#/b": [3, 4] });
    script.say(to(["/#/a", 0.5], ["/#/b", 0.5]));
    expect(state?.branches.map(({ weight }) => weight)).toEqual([0.5, 0.5]);
  });

  test("does not send everything to the one branch that is known first", () => {
    script.say(to(["/#/a", 0.99], ["/#/canary", 0.01]));
    script.tell("/#/canary", on(9));
    expect(state?.known).toBe(false);
    script.tell("/#/a", on(1));
    expect(ports()).toEqual({ "/#/a": [1], "/#/canary": [9] });
  });

  test("goes on without a branch that is not known in time, and takes it in later", () => {
    script.say(to(["/#/a", 1], ["/#/slow", 1]));
    script.tell("/#/a", on(1));
    expect(state?.known).toBe(false);
    clock.advance(2_000);
    expect(state?.known).toBe(true);
    expect(ports()).toEqual({ "/#/a": [1], "/#/slow": [] });
    script.tell("/#/slow", on(2));
    expect(ports()).toEqual({ "/#/a": [1], "/#/slow": [2] });
  });

  test("keeps what has endpoints until what is new has some", () => {
    script.say(to(["/#/a", 1]));
    script.tell("/#/a", on(1));
    script.say(to(["/#/b", 1]));
    expect(ports()).toEqual({ "/#/a": [1] });
    script.tell("/#/b", NEG);
    expect(state?.kept).toBe("empty");
    script.tell("/#/a", on(1, 2));
    expect(ports()).toEqual({ "/#/a": [1, 2] });
    script.tell("/#/b", on(7));
    expect(ports()).toEqual({ "/#/b": [7] });
    expect(state?.kept).toBeUndefined();
    expect([...script.ids.keys()]).toEqual(["/#/b"]);
  });

  test("keeps a split whose branches go one after the other", () => {
    script.say(to(["/#/a", 0.9], ["/#/b", 0.1]));
    script.tell("/#/a", on(1));
    script.tell("/#/b", on(2));
    script.say(to(["/#/b", 1]));
    clock.advance(150);
    script.say({ state: "neg" });
    clock.advance(60_000);
    expect(ports()).toEqual({ "/#/a": [1], "/#/b": [2] });
    expect(state?.kept).toBe("neg");
    script.say(to(["/#/b", 1]));
    clock.advance(2_000);
    expect(ports()).toEqual({ "/#/b": [2] });
  });

  test("changes weights at once, and takes a ramp up although one branch is never known", () => {
    script.say(to(["/#/a", 1], ["/#/slow", 0.1]));
    script.tell("/#/a", on(1));
    clock.advance(2_000);
    script.say(to(["/#/b", 1], ["/#/slow", 0.1]));
    script.tell("/#/b", on(2));
    expect(ports()).toEqual({ "/#/b": [2], "/#/slow": [] });
    for (let second = 1; second <= 5; second += 1) {
      script.say(to(["/#/b", 1], ["/#/c", second], ["/#/slow", 0.1]));
      script.tell("/#/c", on(3));
      clock.advance(1_000);
      expect(state?.branches.map(({ weight }) => weight)).toEqual([1, second, 0.1]);
    }
    for (let second = 1; second <= 5; second += 1) {
      script.say(to(["/#/b", second], [`/#/dead`, 1]));
      clock.advance(1_000);
    }
    expect(state?.branches.map(({ id }) => id)).toEqual(["/#/b", "/#/dead"]);
  });

  test("follows what is in effect and what is next, and nothing else", () => {
    script.say(to(["/#/a", 1]));
    script.tell("/#/a", on(1));
    for (let round = 0; round < 50; round += 1) script.say(to([`/#/none${round}`, 1]));
    expect([...script.ids.keys()]).toEqual(["/#/a", "/#/none49"]);
    script.say({ state: "neg" });
    expect([...script.ids.keys()]).toEqual(["/#/a"]);
  });

  test("says little of a binding that changes all the time", () => {
    for (let round = 0; round < 100; round += 1) {
      script.say(to([`/#/${round % 2}`, 1]));
      script.tell(`/#/${round % 2}`, on(1));
      clock.advance(10);
    }
    expect(lines.filter((line) => line === "the name is bound").length).toBeLessThan(15);
  });

  test.each<Binding>([{ state: "neg" }, { state: "failed", cause: "boom" }])(
    "keeps the last good binding on %p and says so once",
    (answer) => {
      script.say(to(["/#/a", 1]));
      script.tell("/#/a", on(1));
      script.say(answer);
      script.say(answer);
      expect(ports()).toEqual({ "/#/a": [1] });
      expect(state?.kept).toBe(answer.state as "neg" | "failed");
      expect(lines.filter((line) => line === "keeping the last good binding")).toHaveLength(1);
      script.say(to(["/#/a", 1]));
      expect(state?.kept).toBeUndefined();
    },
  );

  test("is known to have nothing when the name is bound to nothing, and not known while nobody can say", () => {
    script.say({ state: "failed", cause: "boom" });
    expect(state).toMatchObject({ state: "failed", known: false });
    script.say({ state: "neg" });
    expect(state).toMatchObject({ state: "neg", known: true });
    script.say(to());
    expect(state).toMatchObject({ state: "bound", known: true, branches: [] });
  });

  test("is what its only branch is", () => {
    script.say(to([PATH, 1]));
    script.tell(PATH, FAILED);
    expect(state).toMatchObject({ state: "failed", known: false });
    script.tell(PATH, NEG);
    expect(state).toMatchObject({ state: "neg", known: true });
  });

  test("is as old as its oldest branch", () => {
    script.say(to(["/#/a", 1], ["/#/b", 1]));
    script.tell("/#/a", on(1));
    const firstMs = clock.now();
    clock.advance(500);
    script.tell("/#/b", on(2));
    expect(state?.lastConfirmedMs).toBe(firstMs);
    clock.advance(500);
    script.tell("/#/a", on(1));
    expect(state?.lastConfirmedMs).toBe(firstMs + 500);
  });

  test("leaves nothing behind when it stops", () => {
    script.say(to(["/#/a", 1], ["/#/b", 1]));
    script.tell("/#/a", on(1));
    stop();
    expect([script.ids.size, script.bindSignal?.aborted, clock.pending]).toEqual([0, true, 0]);
    const before = state;
    script.say({ state: "neg" });
    expect(state).toBe(before);
  });
});

test("another interpreter takes over when it has something better, and the last one is asked no more", () => {
  const registry = new Registry(() => {});
  const first = new Script();
  const bindings = new Bindings({
    interpreter: first,
    router: "r",
    registry,
    log: silentLogger,
    clock,
  });
  bindings.follow(PATH, (it) => {
    state = it;
  });
  first.say(to(["/a", 1]));
  first.tell("/a", on(1));
  const second = new Script();
  const { bindSignal } = first;
  bindings.setInterpreter(second);
  expect(bindSignal?.aborted).toBe(true);
  // What comes late of the first is not heard, and nothing of the second is better yet: the old name is followed on.
  first.say(to(["/x", 1]));
  second.say({ state: "neg" });
  first.tell("/a", on(3));
  expect(state?.branches).toMatchObject([{ id: "/a", endpoints: [{ port: 3 }] }]);
  second.say(to(["/a", 1], ["/b", 1]));
  expect([[...first.ids.keys()], [...second.ids.keys()]]).toEqual([[], ["/a", "/b"]]);
  expect(state?.branches.map(({ id }) => id)).toEqual(["/a"]);
  second.tell("/b", on(2));
  second.tell("/a", on(4));
  expect(state?.branches).toMatchObject([
    { id: "/a", endpoints: [{ port: 4 }] },
    { id: "/b", endpoints: [{ port: 2 }] },
  ]);
  const late = new Script();
  bindings.setInterpreter(late);
  bindings.follow("/svc/other", () => {});
  expect(late.bindSignal?.aborted).toBe(false);
});
