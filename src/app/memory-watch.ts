// Looks whether the process has more memory than it may, and tells the workers.
import { readFileSync } from "node:fs";
import type { OverloadBoard } from "../admission/overload-board.ts";
import type { OverloadConfig } from "../config/types.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Gauge } from "../telemetry/metrics.ts";

const PERIOD_MS = 1_000;
/** The share of the limit below which memory has to come for all to be well again. */
const RELIEF = 0.9;
const MEGABYTE = 1024 * 1024;

export interface MemoryWatchParts {
  readonly config: OverloadConfig;
  readonly board: OverloadBoard;
  readonly clock: Clock;
  readonly log: Logger;
  /** 1 while there is too much. */
  readonly gauge: Gauge;
  /** Private memory of the process; undefined where that cannot be known. */
  readonly readBytes?: () => number | undefined;
}

/** Begins to look; the answer ends it. */
export function watchMemory(parts: MemoryWatchParts): Cancel {
  const { config, board, clock, log, gauge, readBytes = privateMemoryBytes } = parts;
  const { maxMemoryBytes, dryRun } = config;
  if (maxMemoryBytes === Number.POSITIVE_INFINITY) return () => {};
  let isOver = false;
  return clock.every(PERIOD_MS, () => {
    const bytes = readBytes() ?? 0;
    const over = bytes > (isOver ? maxMemoryBytes * RELIEF : maxMemoryBytes);
    if (over === isOver) return;
    isOver = over;
    board.memory = over && !dryRun;
    gauge.set(over ? 1 : 0);
    const facts = { memoryMb: inMb(bytes), limitMb: inMb(maxMemoryBytes), dryRun };
    if (over) log.warn("overload: too much memory is used, new connections wait", () => facts);
    else log.info("overload is over: there is memory again", () => facts);
  });
}

function inMb(bytes: number): number {
  return Math.round(bytes / MEGABYTE);
}

/** RssAnon: what the process alone has, and could be killed for. */
function privateMemoryBytes(): number | undefined {
  try {
    const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "latin1"));
    return kilobytes === null ? undefined : Number(kilobytes[1]) * 1024;
  } catch {
    return undefined;
  }
}
