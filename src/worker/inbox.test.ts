import { describe, expect, test } from "bun:test";
import type { Clock } from "../lib/clock.ts";
import { Inbox } from "./inbox.ts";

/** An inbox where applying a message takes as many milliseconds as it says, and a test begins each turn. */
function setup() {
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
  const inbox = new Inbox<number>((ms) => {
    nowMs += ms;
    applied.push(ms);
  }, clock);
  const nextTurn = (): void => {
    const due = timers;
    timers = [];
    for (const run of due) run();
  };
  return { inbox, applied, nextTurn, timers: () => timers.length };
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
