// What NamerdInterpreter says names are bound to. How it follows a question is in namerd-watch.test.ts.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { FakeTree } from "../../../test/support/fake-namerd-names.ts";
import {
  namerdInterpreter,
  NamerdScene,
  PATH,
  PERIOD_MS,
  TIMEOUT_MS,
} from "../../../test/support/namerd-scene.ts";
import { until } from "../../../test/support/until.ts";
import type { LogFields, Logger } from "../../telemetry/log.ts";
import { silentLogger } from "../../telemetry/log.ts";
import type { Binding } from "../interpreter.ts";

const A = "/#/io.l5d.fs/a";
const B = "/#/io.l5d.fs/b";
const leaf = (id: string): FakeTree => ({ type: "leaf", id });
const union = (a: number, b: number): FakeTree => ({
  type: "union",
  union: [
    { weight: a, tree: leaf(A) },
    { weight: b, tree: leaf(B) },
  ],
});
const bound = (...branches: readonly [string, number][]): Binding => ({
  state: "bound",
  branches: branches.map(([id, weight]) => ({ id, weight })),
});

describe("NamerdInterpreter, of bindings", () => {
  let scene: NamerdScene;
  const calls = (): readonly string[] => scene.namerd.requests.map((it) => it.call);
  /** What was reported but `pending`, which a stream reports before its first value. */
  const told = (): readonly Binding[] => scene.bindings.filter((it) => it.state !== "pending");

  beforeEach(() => {
    scene = new NamerdScene();
    scene.namerd.bind(A, "10.0.0.1:80");
    scene.namerd.bind(B, "10.0.0.2:80");
  });

  afterEach(() => {
    expect(scene.stop()).toBe(0);
  });

  test("asks as namerd expects it", async () => {
    scene.bind({ namespace: "prod/eu west" }, "/svc/a\\x20b");
    await scene.requests(1);
    expect(scene.namerd.requests[0]?.target).toBe(
      "/api/1/bind/prod/eu%20west?path=%2Fsvc%2Fa%5Cx20b&watch=true",
    );
    scene.watch({ namespace: "prod" }, "/%/io.l5d.port/4141/#/io.l5d.fs/a");
    await scene.requests(2);
    expect(scene.namerd.requests[1]?.target).toBe(
      "/api/1/addr/prod?path=%2F%25%2Fio.l5d.port%2F4141%2F%23%2Fio.l5d.fs%2Fa&watch=true",
    );
  });

  test("gives a union's branches with their weights, and the addresses of each", async () => {
    scene.namerd.setTree(PATH, union(3, 1));
    scene.bind();
    await scene.boundAs(bound([A, 0.75], [B, 0.25]));
    scene.watch({}, A);
    await scene.bound("10.0.0.1");
    scene.watchAnew({}, B);
    await scene.bound("10.0.0.2");
  });

  test("follows changes of the tree, and is not told again of addresses", async () => {
    scene.namerd.setTree(PATH, union(1, 1));
    scene.bind();
    await scene.boundAs(bound([A, 0.5], [B, 0.5]));
    scene.watch({}, A);
    await scene.bound("10.0.0.1");
    scene.namerd.bind(A, "10.0.0.9:80");
    await scene.bound("10.0.0.9");
    scene.namerd.setTree(PATH, union(3, 1));
    await scene.boundAs(bound([A, 0.75], [B, 0.25]));
    scene.namerd.setTree(PATH, leaf(B));
    await scene.boundAs(bound([B, 1]));
    expect(told().length).toBe(3);
    expect(calls()).toEqual(["bind", "addr"]);
  });

  test("tells what has no name from what has no endpoints", async () => {
    scene.bind();
    await scene.boundAs({ state: "neg" });
    scene.namerd.setTree(PATH, { type: "empty" });
    await scene.boundAs(bound());
    scene.namerd.setTree(PATH, leaf(A));
    await scene.boundAs(bound([A, 1]));
    scene.namerd.setTree(PATH, { type: "fail" });
    await scene.boundAs({ state: "neg" });
  });

  test("is pending while namerd waits for addresses", async () => {
    scene.namerd.setTree(PATH, leaf(A));
    scene.namerd.set(A, { type: "pending" });
    scene.bind();
    await scene.boundAs({ state: "pending" });
    scene.namerd.bind(A, "10.0.0.1:80");
    await scene.boundAs(bound([A, 1]));
    expect(calls()).toEqual(["bind"]);
  });

  test("takes the error line of a stream as a failure, and comes back", async () => {
    scene.namerd.setTree(PATH, leaf(A));
    scene.bind();
    await scene.boundAs(bound([A, 1]));
    scene.namerd.say(PATH, "Max recursion level: 100 reached in Namer lookup");
    const cause = "namerd answered: Max recursion level: 100 reached in Namer lookup";
    await scene.boundAs({ state: "failed", cause });
    await scene.nextRequest();
    await scene.boundAs(bound([A, 1]));
    expect(calls()).toEqual(["bind", "bind"]);
  });

  test("keeps to a union by polls, where resolve draws another branch each time", async () => {
    scene.namerd.streaming = false;
    scene.namerd.setTree(PATH, union(1, 1));
    scene.bind();
    await scene.boundAs(bound([A, 0.5], [B, 0.5]));
    for (let poll = 0; poll < 4; poll++) expect(await scene.nextRequest()).toBe(PERIOD_MS);
    await scene.waiting();
    expect(told().length).toBe(1);
    scene.watchAnew();
    const drawn: unknown[] = [];
    for (let poll = 1; poll <= 4; poll++) {
      await scene.count(poll);
      drawn.push(scene.last);
      await scene.nextRequest();
    }
    expect(new Set(drawn.map((it) => JSON.stringify(it))).size).toBe(2);
  });

  test("reports a tree that it cannot use, and what is wrong with it", async () => {
    const body = '{"type":"leaf","bound":{"id":"web"}}\n';
    scene.namerd.behaviour = { kind: "body", body, then: "keep" };
    scene.bind();
    const cause = "namerd gave a tree that has a leaf whose id is no path: web";
    await scene.boundAs({ state: "failed", cause });
    await scene.waiting();
  });

  test("tells the same binding once, and again after a failure", async () => {
    scene.namerd.setTree(PATH, leaf(A));
    scene.bind();
    await scene.boundAs(bound([A, 1]));
    scene.clock.advance(60_000);
    scene.namerd.endStreams();
    await scene.nextRequest();
    await scene.streams(1);
    scene.namerd.cut("reset");
    await until("the failure", () => scene.bindings.at(-1)?.state === "failed");
    await scene.nextRequest();
    await scene.boundAs(bound([A, 1]));
    expect(told().map((it) => it.state)).toEqual(["bound", "failed", "bound"]);
  });

  describe("at a server without bind", () => {
    beforeEach(() => {
      scene.namerd.calls = ["resolve"];
      scene.namerd.bind(PATH, "10.0.0.1:80");
    });

    test("binds a path to itself, and its addresses are those of resolve", async () => {
      scene.bind();
      await scene.boundAs(bound([PATH, 1]));
      scene.watch();
      await scene.bound("10.0.0.1");
      expect(calls()).toEqual(["bind", "resolve", "resolve"]);
      await scene.streams(1);
      scene.watchAnew({}, A);
      await scene.bound("10.0.0.1");
      expect(calls()).toEqual(["addr", "resolve"]);
    });

    test("asks for bind again after about ten minutes", async () => {
      scene.bind();
      await scene.boundAs(bound([PATH, 1]));
      expect(await again()).toBeWithin(540_000, 660_001);
      expect(await again()).toBeWithin(540_000, 660_001);
      expect(told().length).toBe(1);
      expect(calls().slice(0, 5)).toEqual(["bind", "resolve", "bind", "resolve", "bind"]);
    });

    test("follows bind from then on if the server has come to know it", async () => {
      scene.bind();
      await scene.boundAs(bound([PATH, 1]));
      scene.namerd.calls = ["bind", "addr", "resolve"];
      scene.namerd.setTree(PATH, union(1, 1));
      await again();
      await scene.boundAs(bound([A, 0.5], [B, 0.5]));
      await scene.streams(1);
      expect(told().length).toBe(2);
    });

    /** Lets the time pass until bind is asked again; gives how long. */
    async function again(): Promise<number> {
      await until("a long wait", () => scene.clock.lastDelayMs > 400_000);
      await scene.connections(0);
      expect(scene.clock.pending).toBe(1);
      const waitMs = scene.clock.lastDelayMs;
      const count = scene.namerd.requests.length;
      scene.clock.advance(waitMs);
      await until("the next request", () => scene.namerd.requests.length > count);
      return waitMs;
    }

    test.each([403, 404, 405, 501])("knows it by status %d", async (status) => {
      scene.namerd.behaviour = ({ call }) =>
        call === "bind" ? { kind: "status", status } : { kind: "normal" };
      scene.namerd.calls = ["bind", "resolve"];
      scene.bind();
      await scene.boundAs(bound([PATH, 1]));
    });

    test("knows it by addresses, where whatever is asked gets the same answer", async () => {
      const body = '{"type":"bound","addrs":[{"ip":"10.0.0.1","port":80}]}\n';
      scene.namerd.behaviour = { kind: "body", body, then: "end" };
      scene.namerd.calls = ["bind", "resolve"];
      scene.bind();
      await scene.boundAs(bound([PATH, 1]));
      expect(calls()).toEqual(["bind", "resolve"]);
    });

    test("does not take a failure for a server without bind", async () => {
      scene.namerd.calls = ["bind", "resolve"];
      for (const status of [400, 500, 503]) {
        scene.namerd.requests.length = 0;
        scene.namerd.behaviour = { kind: "status", status };
        scene.bind();
        await until("the failure", () => scene.bindings.at(-1)?.state === "failed");
        expect(new Set(calls())).toEqual(new Set(["bind"]));
        await scene.waiting();
        scene.watchAnew({}, A);
        await scene.waiting();
        scene.restart();
      }
    });

    test("does not take a path for its own branch where resolve fails too", async () => {
      scene.namerd.calls = [];
      scene.bind();
      await until("the failure", () => scene.bindings.at(-1)?.state === "failed");
      expect(calls()).toEqual(["bind", "resolve", "resolve"]);
      scene.namerd.calls = ["bind", "addr", "resolve"];
      scene.namerd.setTree(PATH, leaf(A));
      await scene.nextRequest();
      await scene.boundAs(bound([A, 1]));
      expect(told().length).toBe(2);
    });

    test("is pending as long as the name is", async () => {
      scene.namerd.set(PATH, { type: "pending" });
      scene.bind();
      await scene.boundAs({ state: "pending" });
      scene.namerd.set(PATH, { type: "neg" });
      await scene.boundAs(bound([PATH, 1]));
    });

    test("leaves no request behind when a silent stream answers after all", async () => {
      scene.namerd.set(PATH, { type: "pending" });
      scene.bind();
      await scene.boundAs({ state: "pending" });
      scene.namerd.behaviour = { kind: "hang" };
      await scene.silence();
      await scene.connections(2);
      scene.namerd.bind(PATH, "10.0.0.1:80");
      await scene.boundAs(bound([PATH, 1]));
      await scene.connections(0);
    });
  });

  test("says in its log which namerd it is, without secrets", async () => {
    const lines: (LogFields | undefined)[] = [];
    const note = (_: string, fields?: () => LogFields): void => void lines.push(fields?.());
    const log: Logger = { ...silentLogger, info: note, warn: note, debug: note };
    scene.namerd.calls = ["resolve"];
    scene.namerd.set(PATH, { type: "bound", addrs: [{ ip: "web.local", port: 80 }] });
    const baseUrl = scene.namerd.baseUrl.replace("//", "//user:secret@");
    const interpreter = namerdInterpreter(baseUrl, scene.clock, {}, log);
    const abort = new AbortController();
    const states: string[] = [];
    interpreter.bind(PATH, abort.signal, (it) => states.push(it.state));
    interpreter.addresses(PATH, abort.signal, (it) => states.push(it.state));
    await until("both", () => states.includes("bound") && states.includes("failed"));
    await until("three lines", () => lines.length === 3);
    const namerd = scene.namerd.baseUrl.replace("//", "//***@");
    expect(lines.every((it) => it?.["namerd"] === namerd)).toBe(true);
    scene.namerd.pause();
    abort.abort();
  });

  test("gives up a bind that does not answer", async () => {
    scene.namerd.behaviour = { kind: "hang" };
    scene.bind();
    await scene.requests(1);
    scene.clock.advance(TIMEOUT_MS);
    const cause = `namerd at ${scene.namerd.baseUrl} did not answer within ${TIMEOUT_MS} ms`;
    expect(scene.bindings).toEqual([{ state: "failed", cause }]);
  });
});

describe("NamerdInterpreter, of a namerd that never pauses,", () => {
  let scene: NamerdScene;
  const line = (ip: string): string =>
    JSON.stringify({ type: "bound", addrs: [{ ip, port: 80, meta: {} }], meta: {} });
  const flood = Array.from({ length: 10_000 }, (_, n) => line(`10.1.${n >> 8}.${n & 255}`));

  beforeEach(async () => {
    scene = new NamerdScene();
    scene.namerd.bind(A, "10.0.0.1:80");
    scene.watch({}, A);
    await scene.bound("10.0.0.1");
  });

  afterEach(() => {
    expect(scene.stop()).toBe(0);
  });

  test("reports some of its answers, and the last", async () => {
    for (const one of flood) scene.namerd.say(A, one);
    scene.namerd.say(A, line("10.0.0.7"));
    await until("the last answer", () => {
      scene.clock.advance(1);
      return Bun.deepEquals(scene.last, {
        state: "bound",
        endpoints: [{ ip: "10.0.0.7", port: 80, weight: 1 }],
      });
    });
    const seconds = (scene.clock.now() - 1_000) / 1_000;
    expect(scene.reports.length).toBeLessThanOrEqual(21 + 20 * seconds);
    expect(scene.namerd.requests.length).toBe(1);
  });

  test("reports its last answer, not the one before, when it ends the stream", async () => {
    scene.namerd.say(A, ...flood, line("10.0.0.7"));
    scene.namerd.endStreams();
    await scene.bound("10.0.0.7");
    expect(scene.reports.length).toBe(21);
    await scene.waiting();
  });

  test("reports the failure at its end, and the answer before it, at once", async () => {
    scene.namerd.say(A, ...flood, "boom");
    await scene.reported("failed");
    expect(scene.last).toEqual({ state: "failed", cause: "namerd answered: boom" });
    expect(scene.reports.at(-2)).toMatchObject({ endpoints: [{ ip: "10.1.39.15" }] });
    expect(scene.reports.length).toBe(22);
    await scene.waiting();
  });

  test("takes what waits for its turn for a failure if it is no answer", async () => {
    scene.namerd.say(A, ...flood, '{"type":"nonsense"}');
    await until("the rest to wait", () => scene.clock.pending === 2);
    expect(scene.last?.state).toBe("bound");
    await until("its turn", () => {
      scene.clock.advance(50);
      return scene.last?.state === "failed";
    });
    await scene.connections(0);
    expect(await scene.nextRequest()).toBeLessThanOrEqual(500);
    await scene.bound("10.0.0.1");
  });

  test("is told no more of what waits for its turn when nobody listens any more", async () => {
    scene.namerd.say(A, ...flood);
    await until("the rest to wait", () => scene.clock.pending === 2);
    const count = scene.reports.length;
    expect(scene.stop()).toBe(0);
    scene.clock.advance(1_000);
    expect(scene.reports.length).toBe(count);
  });

  test("has failed once when its end is wrong in two ways", async () => {
    scene.namerd.say(A, ...flood, '{"type":"nonsense"}', "boom");
    await scene.reported("failed");
    await scene.waiting();
    expect(scene.reports.filter((it) => it.state === "failed").length).toBe(1);
  });
});
