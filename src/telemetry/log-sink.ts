// Where log lines go: a file descriptor that is written to at once, but never waited for.
import type * as NodeFs from "node:fs";

/** Takes one line with its newline. False when the line is lost. Never throws and never waits. */
export type LogSink = (line: string) => boolean;

/** Where lines go. Plain data: opened once and told to all threads. */
export interface LogTarget {
  readonly fd: number;
  /**
   * How to write without waiting for the reader: `write` where that never blocks, `send` to a socket, `try` to a pipe
   * or a terminal that would block.
   */
  readonly by: "write" | "send" | "try";
}

/** Writes that do not wait on descriptors that block. Each answers how many bytes it took, -1 for none. */
export interface WritesNow {
  /** To a socket. */
  readonly sendNow: (fd: number, bytes: Uint8Array) => number;
  /** To a pipe or a terminal. */
  readonly writeNow: (fd: number, bytes: Uint8Array) => number;
}

/**
 * Where to write so as to reach what `fd` is. Pipes and terminals are opened anew, non-blocking. The descriptor itself
 * is not set to that: it would change for the programs that share it, such as the shell. What cannot be opened anew (a
 * socket, another user's pipe) is written to by other means.
 */
export function openLogTarget(fd: number): LogTarget {
  const { constants, fstatSync, openSync } = nodeFs();
  try {
    const stat = fstatSync(fd);
    if (stat.isSocket()) return { fd, by: "send" };
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return { fd, by: "write" };
  } catch {
    return { fd, by: "write" };
  }
  try {
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return {
      fd: openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY),
      by: "write",
    };
  } catch {
    return { fd, by: "try" };
  }
}

/**
 * Writes each line with one call, so that lines of several threads do not mix. Without `calls` a write to a target
 * that blocks waits for its reader.
 */
export function fdSink({ fd, by }: LogTarget, calls?: WritesNow): LogSink {
  const write = { write: undefined, send: calls?.sendNow, try: calls?.writeNow }[by] ?? writeAnyhow;
  let torn = false;
  return (line) => {
    // After half a line the next one begins with a line end, so that only the torn one is spoiled.
    const bytes = Buffer.from(torn ? `\n${line}` : line);
    const written = writeSome(write, fd, bytes);
    if (written === 0) return false;
    torn =
      written < bytes.length &&
      writeSome(write, fd, bytes.subarray(written)) < bytes.length - written;
    return !torn;
  };
}

/** Loaded with the first line: it takes 0.5 MB of each thread, and a worker at rest has nothing to say. */
function nodeFs(): typeof NodeFs {
  return import.meta.require("node:fs") as typeof NodeFs;
}

function writeAnyhow(fd: number, bytes: Uint8Array): number {
  return nodeFs().writeSync(fd, bytes);
}

function writeSome(
  write: (fd: number, bytes: Uint8Array) => number,
  fd: number,
  bytes: Uint8Array,
): number {
  try {
    return Math.max(0, write(fd, bytes));
  } catch {
    // EAGAIN: nobody reads. EPIPE, EBADF: nobody will. ENOSPC, EIO: nothing to be done here.
    return 0;
  }
}
