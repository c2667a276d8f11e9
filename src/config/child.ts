// The frame of the processes that load configurations: they end with the process that started them. See load-in-child.ts.
import { read } from "node:fs";

/** A pipe whose other end the parent holds for as long as it lives. */
const LIFELINE = 3;

/** Writes what `answer` gives to standard output and ends the process. */
export async function answerAndEnd(
  answer: () => Promise<ArrayBuffer | SharedArrayBuffer>,
): Promise<never> {
  // By a signal: that works whatever file a thread is waiting for.
  read(LIFELINE, new Uint8Array(1), 0, 1, null, () => process.kill(process.pid, "SIGKILL"));
  await Bun.write(Bun.stdout, await answer());
  // The lifeline is still being read.
  process.exit(0);
}
