// The settings about how connections end: units, and what one key says of another.
import { DEFAULTS, limit, seconds } from "./defaults.ts";
import type { ConfigPath, ProblemList } from "./problems.ts";
import type { FileDrain, FileSocketOptions } from "./schema-sessions.ts";
import type { DrainConfig, ServerConfig, SocketOptions } from "./types.ts";

export function socketOptions(options: FileSocketOptions): SocketOptions {
  const { keepAlive, keepAliveIdleSecs, keepAliveIntervalSecs, keepAliveProbes } = options;
  const probing = {
    idleSecs: keepAliveIdleSecs,
    intervalSecs: keepAliveIntervalSecs,
    probes: keepAliveProbes,
  };
  return { keepAlive: keepAlive ? probing : undefined, userTimeoutMs: options.userTimeoutMs };
}

/** What a server has of this where nothing else is said, by a file or without one. */
export function sessionDefaults(): Pick<
  ServerConfig,
  "connectionLifetimeJitter" | "halfClosedTimeoutMs" | "socketOptions"
> {
  return {
    connectionLifetimeJitter: DEFAULTS.server.connectionLifetimeJitterPercent / 100,
    halfClosedTimeoutMs: limit(seconds(DEFAULTS.server.halfClosedTimeoutSecs)),
    socketOptions: socketOptions(DEFAULTS.socketOptions),
  };
}

/** `path` and `problems` where it stands in a file. */
export function drain(options: FileDrain, path?: ConfigPath, problems?: ProblemList): DrainConfig {
  const { onRemoval, windowSecs, maxPerSec, deadlineSecs } = options;
  if (windowSecs > limit(deadlineSecs)) {
    const message = `expected no more than deadlineSecs, which is ${deadlineSecs}, found ${windowSecs}`;
    problems?.error([...(path ?? []), "windowSecs"], message);
  }
  return {
    onRemoval,
    windowMs: seconds(windowSecs),
    maxPerSecond: limit(maxPerSec),
    deadlineMs: limit(seconds(deadlineSecs)),
  };
}

/** The window of a shutdown: half of its grace time unless the file says otherwise. */
export function drainWindowMs(
  {
    graceSecs,
    drainWindowSecs = graceSecs / 2,
  }: {
    readonly graceSecs: number;
    readonly drainWindowSecs?: number | undefined;
  },
  path: ConfigPath,
  problems: ProblemList,
): number {
  if (drainWindowSecs > graceSecs) {
    const message = `expected no more than graceSecs, which is ${graceSecs}, found ${drainWindowSecs}`;
    problems.error([...path, "drainWindowSecs"], message);
  }
  return seconds(drainWindowSecs);
}
