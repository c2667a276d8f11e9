// The limits of one worker: what its servers are given of them.
import { Admission } from "../admission/admission.ts";
import type { ServerLimits } from "../admission/limits-memory.ts";
import { LimitMetrics } from "../admission/metrics.ts";
import { OverloadBoard } from "../admission/overload-board.ts";
import { Overload } from "../admission/overload.ts";
import type { Clock } from "../lib/clock.ts";
import { MetricScope } from "../telemetry/metric-scope.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { libc } from "../transport/libc.ts";
import type { WorkerParts } from "./parts.ts";

/** The watch over what this worker bears; undefined where nothing is to be done about it. */
export function createOverload(parts: WorkerParts): Overload | undefined {
  const { start, clock, logger, registry } = parts;
  if (start.overload === undefined) return undefined;
  return new Overload({
    config: start.overload.config,
    board: new OverloadBoard(start.overload.board),
    worker: start.worker,
    clock,
    log: logger("proxy"),
    lagging: registry.gauge(PROCESS_METRICS.overloaded, "loop_lag"),
  });
}

/** Who may use a server, as its limits change. */
export interface AdmissionOf {
  /** By these limits from now on; undefined where there is no limit, so that connections pay nothing for it. */
  by(limits: ServerLimits | undefined): Admission | undefined;
  /** Ends the metrics, once no session is left. */
  release(): void;
}

/** `address` is the bound `ip:port` of the server. */
export function admissionOf(
  { registry, clock, start }: WorkerParts,
  router: string,
  address: string,
  overload: Overload | undefined,
): AdmissionOf {
  let admission: Admission | undefined;
  let scope: MetricScope | undefined;
  return {
    by(limits) {
      if (admission !== undefined) {
        admission.reconfigure(limits);
        return admission;
      }
      if (limits === undefined && overload === undefined) return undefined;
      scope = new MetricScope(registry);
      admission = new Admission({
        limits,
        load: overload,
        worker: start.worker,
        clock,
        clockOffsetMs: commonOffsetMs(clock),
        metrics: new LimitMetrics(scope, router, address),
      });
      return admission;
    },
    release: () => scope?.release(),
  };
}

/** Each thread's clock begins with the thread. Without a C library a change of the system's time may tell them apart. */
export function commonOffsetMs(clock: Clock): number {
  return (libc?.monotonicMs() ?? clock.wallTime()) - clock.now();
}
