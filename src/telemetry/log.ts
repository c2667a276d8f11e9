// The port of logging. One line per change of state; fields are made only when the line is written.

/** Severities, most severe first. */
export const LOG_LEVELS = ["error", "warn", "info", "debug", "trace"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes lines of one module. `fields` is a function so that a line that is not written costs nothing. */
export interface Logger {
  error(message: string, fields?: () => LogFields): void;
  warn(message: string, fields?: () => LogFields): void;
  info(message: string, fields?: () => LogFields): void;
  debug(message: string, fields?: () => LogFields): void;
  trace(message: string, fields?: () => LogFields): void;
  /** Whether lines of this level are written. */
  enabled(level: LogLevel): boolean;
}

/** Everything that logs, by the name that a filter gives it. */
export const LOG_MODULES = [
  "admin",
  "app",
  "balancer",
  "cli",
  "discovery",
  "health",
  "http",
  "namerd",
  "namers",
  "proxy",
  "reload",
  "storage",
  "supervisor",
  "tls",
  "telemetry.log",
] as const;
export type LogModule = (typeof LOG_MODULES)[number];

/** Gives loggers to modules: `logger("proxy")`. */
export type LoggerFactory = (module: LogModule) => Logger;

/**
 * A logger whose lines have `labels` too. Levels that `log` does not write cost no more than they do there: nothing is
 * made for a line before it is written.
 */
export function labelled(log: Logger, labels: LogFields): Logger {
  const write = (level: LogLevel): Logger["error"] =>
    log.enabled(level)
      ? (message, fields) => log[level](message, () => ({ ...labels, ...fields?.() }))
      : log[level].bind(log);
  return {
    error: write("error"),
    warn: write("warn"),
    info: write("info"),
    debug: write("debug"),
    trace: write("trace"),
    enabled: (level) => log.enabled(level),
  };
}

/** A logger that writes nothing. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  trace() {},
  enabled: () => false,
};
