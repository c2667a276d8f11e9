import { expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { newOverloadBoard, OverloadBoard } from "../admission/overload-board.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { watchMemory } from "./memory-watch.ts";

function setup(config: { readonly maxMemoryBytes: number; readonly dryRun?: boolean }) {
  const clock = new FakeClock();
  const board = new OverloadBoard(newOverloadBoard(1));
  const gauge = new Registry(() => {}).gauge(PROCESS_METRICS.overloaded, "memory");
  let bytes: number | undefined;
  const stop = watchMemory({
    config: { maxLoopLagMs: Number.POSITIVE_INFINITY, dryRun: false, ...config },
    board,
    clock,
    log: silentLogger,
    gauge,
    readBytes: () => bytes,
  });
  /** What is found a second later, when the process has so much memory. */
  const at = (now: number | undefined) => {
    bytes = now;
    clock.advance(1_000);
    return [board.memory, gauge.value];
  };
  return { at, clock, stop };
}

test("too much memory is told, and is over when a tenth of it is free again", () => {
  const { at, clock, stop } = setup({ maxMemoryBytes: 1_000 });
  expect([1_000, 1_001, 950, 901, 900, 1_000].map(at)).toEqual([
    [false, 0],
    [true, 1],
    [true, 1],
    [true, 1],
    [false, 0],
    [false, 0],
  ]);
  expect(at(undefined)).toEqual([false, 0]);
  stop();
  expect(clock.pending).toBe(0);
});

test("a dry run tells it, and stops nobody", () => {
  expect(setup({ maxMemoryBytes: 1_000, dryRun: true }).at(2_000)).toEqual([false, 1]);
});

test("without a limit nobody looks", () => {
  expect(setup({ maxMemoryBytes: Number.POSITIVE_INFINITY }).clock.pending).toBe(0);
});
