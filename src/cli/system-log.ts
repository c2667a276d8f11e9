// The log of a running process: to standard error, as the environment asks for it.
import type { LoggerFactory } from "../telemetry/log.ts";
import { type LogFilter, logFilterFromEnv } from "../telemetry/log-filter.ts";
import { fdSink, nonBlockingCopy } from "../telemetry/log-sink.ts";
import type { LogStyle } from "../telemetry/log-line.ts";
import { LogWriter, logStyle } from "../telemetry/log-writer.ts";
import { isTerminal } from "./output.ts";

interface SystemLog {
  readonly logger: LoggerFactory;
  /** For other threads. */
  readonly logSettings: {
    readonly filter: LogFilter;
    readonly style: LogStyle;
    readonly fd: number;
  };
}

/** Opens it, and logs what is wrong with the environment's wishes. */
export function systemLog(): SystemLog {
  const { filter, warnings } = logFilterFromEnv(process.env);
  const fd = nonBlockingCopy(2);
  const logSettings = { filter, style: logStyle(isTerminal(2), process.env), fd };
  const { logger } = new LogWriter({ ...logSettings, sink: fdSink(fd) });
  for (const warning of warnings) logger("cli").warn(warning);
  return { logger, logSettings };
}
