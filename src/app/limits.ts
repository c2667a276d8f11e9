// The limits of the process as the composition root makes them: of servers, and against overload.
import { newOverloadBoard, OverloadBoard } from "../admission/overload-board.ts";
import { DEFAULTS } from "../config/defaults.ts";
import type { Config } from "../config/types.ts";
import type { ServerLimits } from "../admission/limits-memory.ts";
import { type LimitedServer, Limits, type ServerRefusals } from "../control/limits.ts";
import { formatAddress } from "../lib/address.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import type { LoggerFactory } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { libc } from "../transport/libc.ts";
import type { OverloadStart } from "../wire/messages.ts";
import { openFilesLimit } from "./descriptor-limit.ts";
import type { BoundServer } from "./servers.ts";
import { watchMemory } from "./memory-watch.ts";

/** What is limited. */
export interface AppLimits {
  readonly set: (server: BoundServer) => ServerLimits | undefined;
  readonly unset: (server: BoundServer) => void;
  readonly refusals: () => readonly ServerRefusals[];
  /** What workers are started with. */
  readonly overload: OverloadStart | undefined;
  readonly workerDied: (worker: number) => void;
  readonly stop: Cancel;
}

/** What limits are made of. */
export interface AppLimitsParts {
  readonly config: Config;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
}

export function createLimits(parts: AppLimitsParts): AppLimits {
  const { config, clock, rng, logger, registry } = parts;
  const log = logger("proxy");
  const servers = new Limits({
    workers: config.workers,
    clock,
    // As in worker/admission.ts.
    clockOffsetMs: (libc?.monotonicMs() ?? clock.wallTime()) - clock.now(),
    rng,
    log,
  });
  const { overload } = config;
  const start = overload && { config: overload, board: newOverloadBoard(config.workers) };
  const board = start && new OverloadBoard(start.board);
  const stopWatch =
    overload &&
    board &&
    watchMemory({
      config: overload,
      board,
      clock,
      log,
      gauge: registry.gauge(PROCESS_METRICS.overloaded, "memory"),
    });
  return {
    set: (server) => servers.set(limitedServer(server)),
    unset: (server) => void servers.set({ ...limitedServer(server), config: undefined }),
    refusals: () => servers.refusals(),
    overload: start,
    workerDied(worker) {
      servers.workerDied(worker);
      board?.setLagging(worker, false);
    },
    stop() {
      servers.stop();
      stopWatch?.();
    },
  };
}

/** What limits are to know of a server. */
export function limitedServer({ id, router, config, socket }: BoundServer): LimitedServer {
  return {
    id,
    router,
    address: formatAddress(socket),
    config: config.limits,
    // Never fewer than by default, so that what is counted goes on when a lower maxConcurrency is raised: a larger table
    // takes only room that is not used. Whatever the configuration says, connections take two descriptors each.
    maxConnections: Math.min(
      Math.max(config.maxConcurrency, DEFAULTS.server.maxConcurrency),
      openFilesLimit() >> 1,
    ),
  };
}
