import { describe, expect, test } from "bun:test";
import type { Clock } from "../lib/clock.ts";
import { Inbox } from "./inbox.ts";

/** An inbox where applying a message takes as many milliseconds as it says, and a test begins each turn. */
function setup(prepare: (ms: number) => Promise<unknown> | undefined = () => undefined) {
  const applied: number[] = [];
  let nowMs = 0;
  let timers: (() => void)[] = [];
  const clock: Clock = {
    now: () => nowMs,
    wallTime: () => nowMs,
    after(_delayMs, run) {
      timers.push(run);
      return () => {};
    },
    every: () => () => {},
  };
  const unprepared: unknown[] = [];
  const inbox = new Inbox<number>({
    prepare,
    apply(ms) {
      nowMs += ms;
      applied.push(ms);
    },
    onUnprepared: (ms, error) => unprepared.push([ms, error]),
    clock,
  });
  const nextTurn = (): void => {
    const due = timers;
    timers = [];
    for (const run of due) run();
  };
  return { inbox, applied, unprepared, nextTurn, timers: () => timers.length };
}

describe("Inbox", () => {
  test("applies at once what is quickly done", () => {
    const { inbox, applied } = setup();
    for (let count = 0; count < 100; count += 1) inbox.push(0);
    expect(applied).toHaveLength(100);
  });

  test("spends no more than a portion in one turn, however the messages come", () => {
    const { inbox, applied, nextTurn } = setup();
    for (const ms of [1, 1, 1, 5, 1]) inbox.push(ms);
    expect(applied).toEqual([1, 1]);
    nextTurn();
    expect(applied).toEqual([1, 1, 1, 5]);
    inbox.push(0);
    expect(applied).toEqual([1, 1, 1, 5]);
    nextTurn();
    expect(applied).toEqual([1, 1, 1, 5, 1, 0]);
  });

  test("holds what comes after a message that must be prepared, and keeps the order", async () => {
    const { promise, resolve: prepared } = Promise.withResolvers<void>();
    const { inbox, applied, nextTurn } = setup((ms) => (ms === 0.5 ? promise : undefined));
    for (const ms of [0.1, 0.5, 0.2]) inbox.push(ms);
    nextTurn();
    inbox.push(0.3);
    expect(applied).toEqual([0.1]);
    prepared();
    await promise;
    // Three turns of the queue of promises: the preparation, the application, what follows.
    for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
    expect(applied).toEqual([0.1, 0.5, 0.2, 0.3]);
  });

  test("leaves out what cannot be prepared, and goes on", async () => {
    const gone = new Error("gone");
    const { inbox, applied, unprepared } = setup((ms) =>
      ms === 1 ? Promise.reject(gone) : undefined,
    );
    inbox.push(1);
    inbox.push(0);
    expect(applied).toEqual([]);
    for (let turn = 0; turn < 3; turn += 1) await Promise.resolve();
    expect([applied, unprepared]).toEqual([[0], [[1, gone]]]);
  });

  test("is at rest when all is done", () => {
    const { inbox, nextTurn, timers } = setup();
    inbox.push(3);
    inbox.push(3);
    nextTurn();
    expect(timers()).toBe(1);
    nextTurn();
    expect(timers()).toBe(0);
  });
});
