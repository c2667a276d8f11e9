// How late a worker's event loop runs a timer: what every connection of the worker waits.
import type { Clock } from "../lib/clock.ts";
import type { Gauge } from "../telemetry/metrics.ts";

const PERIOD_MS = 1_000;
/** Where somebody acts on it. */
const CLOSE_PERIOD_MS = 100;

/** Keeps `gauge` at the lag, in milliseconds, and tells `observer` of each reading, if there is one. */
export function watchLoopLag(
  clock: Clock,
  gauge: Gauge,
  observer: ((lagMs: number) => void) | undefined,
): void {
  const periodMs = observer === undefined ? PERIOD_MS : CLOSE_PERIOD_MS;
  let dueMs = clock.now() + periodMs;
  clock.every(periodMs, () => {
    const nowMs = clock.now();
    const lagMs = Math.max(0, nowMs - dueMs);
    dueMs = nowMs + periodMs;
    gauge.set(lagMs);
    observer?.(lagMs);
  });
}
