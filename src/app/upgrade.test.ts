import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { ChannelObserver } from "../transport/channel.ts";
import type { Successor } from "../transport/successor.ts";
import { READY_WITHIN_MS, Upgrade } from "./upgrade.ts";
import { type FromSuccessor, readFromSuccessor } from "./upgrade-messages.ts";

function setUp(known: readonly string[] = []) {
  const clock = new FakeClock();
  const events: string[] = [];
  const errors: string[] = [];
  let observer: ChannelObserver | undefined;
  let ended = Promise.withResolvers<string>();
  let pid = 100;
  const upgrade = new Upgrade({
    clock,
    log: { ...silentLogger, error: (message) => errors.push(message) },
    start(told) {
      observer = told;
      ended = Promise.withResolvers<string>();
      pid += 1;
      const channel = {
        send: (line: string) => events.push(line),
        close: () => events.push("closed"),
      };
      const kill = (signal: string) => events.push(signal);
      return { pid, channel, ended: ended.promise, kill } as unknown as Successor;
    },
    hasEndpoints: ({ path }) => known.includes(path),
    shareAdmin: (shared) => events.push(`share ${shared}`),
    overrides: () => [],
    count: (result) => events.push(`count ${result}`),
    graceMs: () => 1_000,
  });
  return {
    upgrade,
    clock,
    errors,
    /** What happened since this was asked the last time. */
    events: () => events.splice(0),
    say: (message: FromSuccessor) => observer?.onLine(JSON.stringify(message)),
    babble: (line: string) => observer?.onLine(line),
    end: (how: string) => ended.resolve(how),
  };
}

const PREPARED = { type: "prepared", unresolved: [] } as const;

describe("an upgrade", () => {
  test("lets the new process in when it is prepared, and is done when it is ready", async () => {
    const { upgrade, say, events, clock } = setUp();
    const outcome = upgrade.run();
    expect(upgrade.status).toEqual({ state: "starting", pid: 101 });
    expect(events()).toEqual([]);
    say(PREPARED);
    expect(events()).toEqual(["share true", '{"type":"go","overrides":[]}']);
    say({ type: "ready" });
    expect(await outcome).toEqual({ result: "done", pid: 101 });
    expect(upgrade.status).toEqual({ state: "done", pid: 101 });
    expect(events()).toEqual(["closed", "count done"]);
    expect(clock.pending).toBe(0);
  });

  test("fails with what the new process says, and may be tried again", async () => {
    const { upgrade, say, events, clock } = setUp();
    const outcome = upgrade.run();
    say({ type: "failed", message: "line 3: no such key\n" });
    expect(await outcome).toEqual({ result: "failed", message: "line 3: no such key" });
    expect(events()).toEqual(["share false", "SIGKILL", "closed", "count failed"]);
    expect(upgrade.status).toEqual({ state: "failed", message: "line 3: no such key" });
    expect(clock.pending).toBe(0);
    const again = upgrade.run();
    say({ type: "ready" });
    expect(await again).toEqual({ result: "done", pid: 102 });
  });

  test("fails when the new process ends", async () => {
    const { upgrade, end } = setUp();
    const outcome = upgrade.run();
    end("exit code 1");
    expect(await outcome).toEqual({
      result: "failed",
      message: "process 101 ended (exit code 1) before it was ready: the log has what it wrote",
    });
  });

  test("fails when the new process takes too long, and lets it close what it may have accepted", async () => {
    const { upgrade, say, events, clock } = setUp();
    const outcome = upgrade.run();
    say(PREPARED);
    events();
    clock.advance(READY_WITHIN_MS);
    expect((await outcome).result).toBe("failed");
    expect(events()).toEqual(["share false", "SIGTERM", "closed", "count failed"]);
    clock.advance(6_000);
    expect(events()).toEqual(["SIGKILL"]);
  });

  test("does not give up endpoints of names that the new process could not resolve", async () => {
    const { upgrade, say, events } = setUp(["/svc/a", "/svc/b"]);
    const outcome = upgrade.run();
    const unresolved = ["/svc/x", "/svc/b"].map((path) => ({ router: "r", path }));
    say({ type: "prepared", unresolved });
    expect(await outcome).toMatchObject({
      result: "failed",
      message: expect.stringMatching(/endpoints for: \/svc\/b \(r\)$/) as string,
    });
    expect(events()).not.toContain('{"type":"go","overrides":[]}');
  });

  test("goes on where nobody has endpoints for a name", async () => {
    const { upgrade, say, events } = setUp(["/svc/a"]);
    void upgrade.run();
    say({ type: "prepared", unresolved: [{ router: "r", path: "/svc/x" }] });
    expect(events()).toContain('{"type":"go","overrides":[]}');
  });

  test("is refused while one runs, and after one that succeeded", async () => {
    const { upgrade, say, events } = setUp();
    const first = upgrade.run();
    expect(await upgrade.run()).toMatchObject({ result: "refused" });
    say({ type: "ready" });
    expect((await first).result).toBe("done");
    expect(await upgrade.run()).toEqual({
      result: "refused",
      message: "process 101 has taken over already",
    });
    expect(events().filter((event) => event === "count refused")).toHaveLength(2);
  });

  test("ends with the process that is told to stop", async () => {
    const { upgrade, events } = setUp();
    const outcome = upgrade.run();
    upgrade.cancel();
    expect(await outcome).toEqual({ result: "failed", message: "this process was told to stop" });
    expect(events()).toContain("SIGKILL");
    upgrade.cancel();
    expect(events()).toEqual([]);
  });

  test("takes no notice of what is no message", async () => {
    const { upgrade, babble, say } = setUp();
    const outcome = upgrade.run();
    for (const line of ["", "ready", "[]", '{"type":"go"}', '{"type":"failed"}']) babble(line);
    say({ type: "ready" });
    expect((await outcome).result).toBe("done");
  });

  test("tells of the new process's end only where that was not in order", async () => {
    for (const [how, count] of [
      ["exit code 0", 0],
      ["signal SIGSEGV", 1],
    ] as const) {
      const { upgrade, say, end, errors } = setUp();
      const outcome = upgrade.run();
      say({ type: "ready" });
      await outcome;
      end(how);
      await Promise.resolve();
      expect(errors).toHaveLength(count);
    }
  });
});

test("names that are not resolved are read one by one", () => {
  const line = '{"type":"prepared","unresolved":[{"router":"r","path":"/a"},{"path":1},null]}';
  expect(readFromSuccessor(line)).toEqual({
    type: "prepared",
    unresolved: [{ router: "r", path: "/a" }],
  });
});
