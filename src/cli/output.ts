// Writes for people to standard output and error. Not by process.stdout: touching that loads Node's streams, which
// take 1.9 MB of private memory for as long as the proxy runs (docs/internals/memory.md).
import { fstatSync, readlinkSync, writeSync } from "node:fs";

/** Where a command prints. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** The process's own output. */
export const systemOutput: Output = {
  out: (text) => writeAll(1, text),
  err: (text) => writeAll(2, text),
};

/** Whether a descriptor is a terminal. */
export function isTerminal(fd: number): boolean {
  try {
    // Among character devices, /dev/null and its like are no terminals.
    return (
      fstatSync(fd).isCharacterDevice() &&
      /^\/dev\/(pts\/|tty|console)/.test(readlinkSync(`/proc/self/fd/${fd}`))
    );
  } catch {
    return false;
  }
}

function writeAll(fd: number, text: string): void {
  let bytes = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      const busy = error instanceof Error && "code" in error && error.code === "EAGAIN";
      // A reader that has gone (EPIPE) wants no more; one that is slow is waited for.
      if (!busy) return;
    }
  }
}
