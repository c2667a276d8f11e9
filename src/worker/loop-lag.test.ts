import { expect, test } from "bun:test";
import type { Clock } from "../lib/clock.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { Registry } from "../telemetry/registry.ts";
import { watchLoopLag } from "./loop-lag.ts";

/** A clock whose timer a test runs when it likes. */
function lateClock() {
  let nowMs = 0;
  let tick = (): void => {};
  let periodMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    wallTime: () => nowMs,
    after: () => () => {},
    every(everyMs, run) {
      periodMs = everyMs;
      tick = run;
      return () => {};
    },
  };
  /** The timer runs, so much later than it should. */
  const run = (lateMs: number): void => {
    nowMs += periodMs + lateMs;
    tick();
  };
  return { clock, run, periodMs: () => periodMs };
}

test("the lag is how late the timer is, and is looked at closely where somebody acts on it", () => {
  const gauge = new Registry(() => {}).gauge(PROCESS_METRICS.loopLag, "0");
  const alone = lateClock();
  watchLoopLag(alone.clock, gauge, undefined);
  const lags = [0, 30, 0].map((lateMs) => {
    alone.run(lateMs);
    return gauge.value;
  });
  expect([lags, alone.periodMs()]).toEqual([[0, 30, 0], 1_000]);
  const watched = lateClock();
  const told: number[] = [];
  watchLoopLag(watched.clock, gauge, (lagMs) => void told.push(lagMs));
  for (const lateMs of [5, 0]) watched.run(lateMs);
  expect([told, gauge.value, watched.periodMs()]).toEqual([[5, 0], 0, 100]);
});
