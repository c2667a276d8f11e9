import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { silentLogger } from "../telemetry/log.ts";
import { type SocketCalls, TRY_AGAIN } from "../transport/libc-sockets.ts";
import { Notifier } from "./notify.ts";

function setUp(env: Readonly<Record<string, string>> = {}, answers: number[] = []) {
  const clock = new FakeClock();
  const sent: string[] = [];
  const warnings: unknown[] = [];
  const errors: string[] = [];
  const calls: Pick<SocketCalls, "sendDatagram" | "monotonicMicros"> = {
    sendDatagram(path, text) {
      const error = answers.shift() ?? 0;
      if (error === 0) sent.push(`${path} ${text}`);
      return error;
    },
    monotonicMicros: () => 77n,
  };
  const log = {
    ...silentLogger,
    warn: (message: string, fields?: () => unknown) => warnings.push([message, fields?.()]),
    error: (message: string) => errors.push(message),
  };
  const notifier = new Notifier({
    env: { NOTIFY_SOCKET: "@n", ...env },
    pid: 70,
    calls: calls as SocketCalls,
    clock,
    log,
  });
  return { notifier, clock, sent, warnings, errors };
}

describe("the service manager", () => {
  test("is told what happens, in its words", () => {
    const { notifier, sent } = setUp();
    notifier.ready("serving\n2 addresses");
    notifier.reloading();
    notifier.status("working");
    notifier.stopping(10_000);
    expect(sent).toEqual([
      "@n READY=1\nSTATUS=serving 2 addresses",
      "@n RELOADING=1\nMONOTONIC_USEC=77",
      "@n STATUS=working",
      "@n STOPPING=1\nSTATUS=Draining\nEXTEND_TIMEOUT_USEC=15000000",
    ]);
  });

  test("is told nothing without a socket", () => {
    const { notifier, sent, warnings, clock } = setUp({ NOTIFY_SOCKET: "", WATCHDOG_USEC: "1000" });
    notifier.ready("serving");
    notifier.watch(() => true);
    expect([sent, warnings, clock.pending]).toEqual([[], [], 0]);
  });

  test.each(["relative", "vsock:2:1", "@", `/${"x".repeat(107)}`])(
    "is not looked for at %p",
    (path) => {
      const { notifier, sent, warnings } = setUp({ NOTIFY_SOCKET: path });
      notifier.ready("serving");
      expect(sent).toEqual([]);
      expect(warnings).toHaveLength(1);
    },
  );

  test("hears nothing of the end of a process that was never ready, or that has handed over", () => {
    const { notifier, sent } = setUp();
    notifier.stopping(1);
    expect(sent).toEqual([]);
    notifier.ready("serving");
    notifier.handOver(71);
    notifier.stopping(1);
    expect(sent.slice(1)).toEqual(["@n MAINPID=71\nSTATUS=Process 71 has taken over"]);
  });

  test("that does not read is told later, in the same order", () => {
    const { notifier, sent, clock } = setUp({}, [TRY_AGAIN, TRY_AGAIN]);
    notifier.ready("serving");
    notifier.status("later");
    expect(sent).toEqual([]);
    clock.advance(100);
    expect(sent).toEqual([]);
    clock.advance(100);
    expect(sent).toEqual(["@n READY=1\nSTATUS=serving", "@n STATUS=later"]);
    expect(clock.pending).toBe(0);
  });

  test("that is gone costs one warning", () => {
    const { notifier, warnings, sent } = setUp({}, [111, 111]);
    for (const text of ["a", "b", "c"]) notifier.status(text);
    expect(warnings).toEqual([
      ["the service manager cannot be told", { socket: "@n", error: 111 }],
    ]);
    expect(sent).toEqual(["@n STATUS=c"]);
  });
});

describe("the watchdog", () => {
  test("hears of a living process twice in its time, and no more once it has handed over", () => {
    const { notifier, sent, clock } = setUp({ WATCHDOG_USEC: "2000000", WATCHDOG_PID: "70" });
    notifier.watch(() => true);
    clock.advance(3_000);
    expect(sent).toEqual(["@n WATCHDOG=1", "@n WATCHDOG=1", "@n WATCHDOG=1"]);
    notifier.handOver(71);
    clock.advance(3_000);
    expect(sent).toHaveLength(4);
  });

  test("hears nothing while no worker answers", () => {
    const { notifier, sent, errors, clock } = setUp({ WATCHDOG_USEC: "2000000" });
    let isAlive = false;
    notifier.watch(() => isAlive);
    clock.advance(1_000);
    expect([sent.length, errors.length]).toEqual([0, 1]);
    isAlive = true;
    clock.advance(1_000);
    expect(sent).toEqual(["@n WATCHDOG=1"]);
  });

  test.each([
    { WATCHDOG_USEC: "2000000", WATCHDOG_PID: "71" },
    { WATCHDOG_USEC: "0" },
    { WATCHDOG_USEC: "soon" },
    {},
  ])("of %p is none of ours", (env) => {
    const { notifier, clock } = setUp(env);
    notifier.watch(() => true);
    expect(clock.pending).toBe(0);
  });
});
