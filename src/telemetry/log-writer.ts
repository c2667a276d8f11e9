// Loggers that write: entries that pass the filter, as lines, to a sink.
import { type Clock, systemClock } from "../lib/clock.ts";
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from "./log.ts";
import { type LogFilter, thresholdOf } from "./log-filter.ts";
import { logLine, type LogStyle } from "./log-line.ts";
import { fdSink, type LogSink, openLogTarget } from "./log-sink.ts";

export interface LogWriterOptions {
  readonly filter: LogFilter;
  readonly style: LogStyle;
  /** Standard error when left out, through a descriptor of its own: a worker shares the control thread's instead. */
  readonly sink?: LogSink;
  readonly clock?: Clock;
}

/**
 * Text for a person at a terminal, else JSON. Coloured unless `NO_COLOR` is set (https://no-color.org) or `TERM` is
 * `dumb`: a terminal that knows no escape sequences.
 */
export function logStyle(
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): LogStyle {
  if (!isTerminal) return "json";
  return (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb" ? "colour" : "text";
}

/** The log of one thread. Nothing here throws, whatever is logged and wherever it goes. */
export class LogWriter {
  readonly #filter: LogFilter;
  readonly #style: LogStyle;
  readonly #sink: LogSink;
  readonly #clock: Clock;
  #lost = 0;
  /** Lost lines that no line has told of yet. */
  #untold = 0;

  constructor({
    filter,
    style,
    sink = fdSink(openLogTarget(2)),
    clock = systemClock,
  }: LogWriterOptions) {
    this.#filter = filter;
    this.#style = style;
    this.#sink = sink;
    this.#clock = clock;
  }

  /** Gives the logger of a module. */
  readonly logger = (module: string): Logger => {
    const threshold = thresholdOf(this.#filter, module);
    const rank = threshold === "off" ? -1 : LOG_LEVELS.indexOf(threshold);
    const write = (level: LogLevel) =>
      LOG_LEVELS.indexOf(level) > rank
        ? ignore
        : (message: string, fields?: () => LogFields) => this.#log(level, module, message, fields);
    return {
      error: write("error"),
      warn: write("warn"),
      info: write("info"),
      debug: write("debug"),
      trace: write("trace"),
      enabled: (level) => LOG_LEVELS.indexOf(level) <= rank,
    } satisfies Logger;
  };

  /** Lines that the sink could not take, since the start. */
  get lost(): number {
    return this.#lost;
  }

  #log(level: LogLevel, module: string, message: string, fields?: () => LogFields): void {
    if (this.#untold > 0 && !this.#tellOfLost()) {
      this.#lose();
      return;
    }
    if (!this.#write(level, module, message, fields)) this.#lose();
  }

  #lose(): void {
    this.#lost++;
    this.#untold++;
  }

  #tellOfLost(): boolean {
    const lines = this.#untold;
    const isTold = this.#write("warn", "telemetry.log", "log lines lost", () => ({ lines }));
    if (isTold) this.#untold = 0;
    return isTold;
  }

  #write(level: LogLevel, module: string, message: string, fields?: () => LogFields): boolean {
    try {
      const timeMs = this.#clock.wallTime();
      const entry = { timeMs, level, module, message, fields: evaluate(fields) };
      return this.#sink(logLine(entry, this.#style));
    } catch {
      return false;
    }
  }
}

function ignore(): void {}

/** A mistake in the making of fields must cost neither the line nor the thread. */
function evaluate(fields: (() => LogFields) | undefined): LogFields {
  try {
    return fields?.() ?? {};
  } catch (error) {
    return { fieldsError: String(error) };
  }
}
