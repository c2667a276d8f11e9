// The log of a running process: to standard error, as the environment asks for it.
import { openLogOutput } from "../app/log-output.ts";
import { suggest } from "../config/suggest.ts";
import type { LoggerFactory } from "../telemetry/log.ts";
import { type LogFilter, logFilterFromEnv } from "../telemetry/log-filter.ts";
import type { LogTarget } from "../telemetry/log-sink.ts";
import type { LogStyle } from "../telemetry/log-line.ts";
import { LogWriter, logStyle } from "../telemetry/log-writer.ts";
import { isTerminal } from "./output.ts";

interface SystemLog {
  readonly logger: LoggerFactory;
  /** For other threads. */
  readonly logSettings: {
    readonly filter: LogFilter;
    readonly style: LogStyle;
    readonly target: LogTarget;
  };
}

/** Opens it, and logs what is wrong with the environment's wishes. */
export function systemLog(): SystemLog {
  const { filter, warnings } = logFilterFromEnv(process.env, suggest);
  const { target, sink } = openLogOutput();
  const logSettings = { filter, style: logStyle(isTerminal(2), process.env), target };
  const { logger } = new LogWriter({ ...logSettings, sink });
  for (const warning of warnings) logger("cli").warn(warning);
  return { logger, logSettings };
}
