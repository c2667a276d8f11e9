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

/** Gives loggers to modules: `logger("proxy.server")`. */
export type LoggerFactory = (module: string) => Logger;

/** A logger that writes nothing. */
export const silentLogger: Logger = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  trace() {},
  enabled: () => false,
};
