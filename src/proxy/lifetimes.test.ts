import { expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRng } from "../lib/rng.ts";
import { Lifetimes } from "./lifetimes.ts";

/** When lives end that began in one instant. */
function ends(lifetimeMs: number, jitter: number, count: number): number[] {
  const clock = new FakeClock();
  const lifetimes = new Lifetimes(clock, seededRng(3), lifetimeMs, jitter);
  const startMs = clock.now();
  const times: number[] = [];
  for (let index = 0; index < count; index += 1)
    lifetimes.set({ onDeadline: () => times.push(Math.round(clock.now() - startMs)) });
  clock.advance(lifetimeMs);
  expect(clock.pending).toBe(0);
  return times;
}

test("Lifetimes spreads the ends of lives that began in one instant, and lets none last longer than the longest", () => {
  const times = ends(100_000, 0.2, 2_000);
  expect(times).toHaveLength(2_000);
  expect(Math.min(...times)).toBeGreaterThanOrEqual(80_000);
  expect(Math.max(...times)).toBeLessThanOrEqual(100_000);
  expect(new Set(times).size).toBe(64);
  for (let from = 80_000; from < 100_000; from += 5_000)
    expect(times.filter((at) => at >= from && at < from + 5_000).length).toBeGreaterThan(400);
});

test("Lifetimes without jitter ends all when their time is over", () => {
  expect(new Set(ends(5_000, 0, 100))).toEqual(new Set([5_000]));
});

test("Lifetimes without an end sets no deadline", () => {
  const clock = new FakeClock();
  const lifetimes = new Lifetimes(clock, seededRng(3), Number.POSITIVE_INFINITY, 0.1);
  expect(lifetimes.set({ onDeadline() {} })).toBeUndefined();
  expect(clock.pending).toBe(0);
});

test("Lifetimes that are stopped leave no timer behind", () => {
  const clock = new FakeClock();
  const lifetimes = new Lifetimes(clock, seededRng(3), 1_000, 0.5);
  for (let index = 0; index < 100; index += 1) lifetimes.set({ onDeadline() {} });
  lifetimes.stop();
  expect(clock.pending).toBe(0);
});
