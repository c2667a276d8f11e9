import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { newOverloadBoard, OverloadBoard } from "./overload-board.ts";
import { Overload } from "./overload.ts";

function setup({ workers = 1, dryRun = false } = {}) {
  const clock = new FakeClock();
  const board = new OverloadBoard(newOverloadBoard(workers));
  const lagging = new Registry(() => {}).gauge(PROCESS_METRICS.overloaded, "loop_lag");
  const overload = new Overload({
    config: { maxLoopLagMs: 50, maxMemoryBytes: Number.POSITIVE_INFINITY, dryRun },
    board,
    worker: 0,
    clock,
    log: silentLogger,
    lagging,
  });
  const told: string[] = [];
  const user = {
    onOverload: () => void told.push("stop"),
    onRelief: () => void told.push("go"),
  };
  overload.subscribe(user);
  /** Readings of the lag, a tenth of a second apart. */
  const lag = (lagMs: number, times: number): void => {
    for (let count = 0; count < times; count += 1) {
      clock.advance(100);
      overload.onLag(lagMs);
    }
  };
  const state = (): string => {
    if (overload.shedding) return "shedding";
    return overload.pausing ? "pausing" : "well";
  };
  return { board, overload, user, told, lag, state, lagging };
}

describe("Overload", () => {
  test("leaves connections in the queue at first, and refuses them when it lasts for a second", () => {
    const { lag, state, told, lagging } = setup();
    lag(0, 5);
    lag(60, 4);
    expect([state(), told]).toEqual(["well", []]);
    lag(60, 1);
    expect([state(), told, lagging.value]).toEqual(["pausing", ["stop"], 1]);
    lag(60, 9);
    expect(state()).toBe("pausing");
    lag(60, 1);
    expect([state(), told]).toEqual(["shedding", ["stop", "go"]]);
    lag(60, 50);
    expect([state(), told]).toEqual(["shedding", ["stop", "go"]]);
  });

  test("takes no notice of one late timer", () => {
    const { lag, state } = setup();
    lag(0, 5);
    lag(240, 1);
    lag(0, 9);
    expect(state()).toBe("well");
  });

  test("is over when the lag is half of what it may be", () => {
    const { lag, state, told, lagging, board } = setup();
    lag(60, 30);
    lag(30, 20);
    expect(state()).toBe("shedding");
    lag(20, 5);
    expect([state(), told, lagging.value, board.allLag]).toEqual([
      "well",
      ["stop", "go", "go"],
      0,
      false,
    ]);
  });

  test("never refuses while another worker is in time", () => {
    const { lag, state, board, told } = setup({ workers: 2 });
    lag(60, 100);
    expect(state()).toBe("pausing");
    board.setLagging(1, true);
    lag(60, 1);
    expect(state()).toBe("shedding");
    board.setLagging(1, false);
    lag(60, 1);
    expect([state(), told]).toEqual(["pausing", ["stop", "go", "stop"]]);
  });

  test("minds the memory of the process too, on every worker", () => {
    const { lag, state, board } = setup({ workers: 2 });
    board.memory = true;
    lag(0, 1);
    expect(state()).toBe("pausing");
    lag(0, 10);
    expect(state()).toBe("shedding");
    board.memory = false;
    lag(0, 1);
    expect(state()).toBe("well");
  });

  test("only says so in a dry run", () => {
    const { lag, state, told, lagging } = setup({ dryRun: true });
    lag(60, 50);
    expect([state(), told, lagging.value]).toEqual(["well", [], 1]);
  });

  test("tells nobody who has gone", () => {
    const { lag, told, overload, user } = setup();
    overload.unsubscribe(user);
    lag(60, 50);
    expect(told).toEqual([]);
  });
});
