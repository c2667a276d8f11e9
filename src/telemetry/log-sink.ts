// Where log lines go: a file descriptor that is written to at once, but never waited for.
import { constants, fstatSync, openSync, writeSync } from "node:fs";

/** Takes one line with its newline. False when the line is lost. Never throws and never waits. */
export type LogSink = (line: string) => boolean;

/**
 * A descriptor for the same pipe or terminal as `fd` that never blocks, or `fd` itself where there is none (files do
 * not block; sockets cannot be opened anew). Opened anew, not set to non-blocking: that would change the descriptor for
 * the programs that share it, such as the shell. Open it once and hand the number to all threads.
 */
export function nonBlockingCopy(fd: number): number {
  try {
    const stat = fstatSync(fd);
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return fd;
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return fd;
  }
}

/** Writes each line with one call, so that lines of several threads do not mix. */
export function fdSink(fd: number): LogSink {
  let torn = false;
  return (line) => {
    // After half a line the next one begins with a line end, so that only the torn one is spoiled.
    const bytes = Buffer.from(torn ? `\n${line}` : line);
    const written = writeSome(fd, bytes);
    if (written === 0) return false;
    torn =
      written < bytes.length && writeSome(fd, bytes.subarray(written)) < bytes.length - written;
    return !torn;
  };
}

function writeSome(fd: number, bytes: Uint8Array): number {
  try {
    return writeSync(fd, bytes);
  } catch {
    // EAGAIN: nobody reads. EPIPE, EBADF: nobody will. ENOSPC, EIO: nothing to be done here.
    return 0;
  }
}
