// Starts the process that is to take over: with copies of the listening sockets, and a channel to talk to it.
import { Channel, type ChannelObserver } from "./channel.ts";
import { libc } from "./libc.ts";
import { socketCalls } from "./libc-sockets.ts";

/** The first descriptor that is handed over, as in systemd's protocol; the channel comes after the last socket. */
export const FIRST_PASSED_FD = 3;

/** A process that was started. */
export interface Successor {
  readonly pid: number;
  readonly channel: Channel;
  /** Resolves when it has ended, with how: `exit code 78`, `signal SIGKILL`. */
  readonly ended: Promise<string>;
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

/** What it is started with. */
export interface SuccessorStart {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Listening sockets; the first becomes descriptor 3 of the process, and so on. */
  readonly sockets: readonly number[];
  readonly observer: ChannelObserver;
}

/** Starts it, with the input and output of this process. Answers why that did not work, as a text. */
export function startSuccessor(start: SuccessorStart): Successor | string {
  const { command, env, sockets, observer } = start;
  const calls = socketCalls();
  if (calls === undefined) return "this system has no C library that could copy sockets";
  // Copies with numbers above those that they get in the other process: Bun puts them there one after the other, and
  // would overwrite one that it still needs.
  const least = FIRST_PASSED_FD + sockets.length + 1;
  const copies = sockets.map((fd) => calls.duplicateAbove(fd, least));
  try {
    if (copies.includes(-1)) return "no file descriptors are left (see ulimit -n)";
    const child = Bun.spawn([...command], {
      env: { ...env },
      stdio: ["inherit", "inherit", "inherit", ...copies, "pipe"] as never,
    });
    const channelFd = (child.stdio as readonly unknown[])[FIRST_PASSED_FD + sockets.length];
    return {
      pid: child.pid,
      channel: new Channel(Number(channelFd), observer),
      ended: child.exited.then((code) =>
        child.signalCode === null ? `exit code ${code}` : `signal ${child.signalCode}`,
      ),
      kill: (signal) => child.kill(signal),
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const copy of copies) if (copy >= 0) libc?.close(copy);
  }
}
