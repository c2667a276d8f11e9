// The process's log output: where it goes, and how this thread writes to it. Workers make theirs in worker/main.ts.
import { fdSink, type LogSink, type LogTarget, openLogTarget } from "../telemetry/log-sink.ts";
import { libc } from "../transport/libc.ts";

/** Opens standard error for lines that do not wait for their reader. To be called once. */
export function openLogOutput(): { readonly target: LogTarget; readonly sink: LogSink } {
  const target = openLogTarget(2);
  return { target, sink: fdSink(target, libc) };
}
