// How many more threads the system lets this process have, so that a start that cannot succeed fails with a message: Bun
// itself aborts where it cannot make a thread.
import { readdirSync, readFileSync } from "node:fs";

/** The thread itself and its garbage collector's, which comes later (seen with Bun 1.4.5). */
const THREADS_PER_WORKER = 2;
/** The collector of the control thread. */
const THREADS_BESIDE_WORKERS = 1;
/** CAP_SYS_ADMIN and CAP_SYS_RESOURCE: whoever has one is not held to `ulimit -u` (clone(2), EAGAIN). */
const EXEMPTING_CAPABILITIES = (1n << 21n) | (1n << 24n);

/** The system allows fewer threads than are needed. The message says what to do. */
export class ThreadLimitError extends Error {
  readonly code = "THREAD_LIMIT";

  constructor(what: string, cause?: unknown) {
    super(
      `${what}: raise the limit of processes and threads (ulimit -u, pids.max of the control group), or set fewer workers`,
      { cause },
    );
    this.name = "ThreadLimitError";
  }
}

/** The files that tell of limits, so that tests can stand in for them. */
export interface LimitFiles {
  /** The text of a file; undefined when it cannot be read. */
  readonly read: (path: string) => string | undefined;
  /** The names in a directory; none when it cannot be read. */
  readonly list: (path: string) => readonly string[];
}

const systemFiles: LimitFiles = {
  read: (path) => orElse(() => readFileSync(path, "utf8"), undefined),
  list: (path) => orElse(() => readdirSync(path), []),
};

/** Throws ThreadLimitError when the system has no room for the threads of so many workers. */
export function checkThreadLimit(workers: number, files: LimitFiles = systemFiles): void {
  const needed = workers * THREADS_PER_WORKER + THREADS_BESIDE_WORKERS;
  const room = threadRoom(files);
  if (room >= needed) return;
  throw new ThreadLimitError(
    `${workers} workers need ${needed} more threads, and the system allows ${room}`,
  );
}

/** Threads that may still be started; Infinity where there is no limit, or none that can be known. */
function threadRoom(files: LimitFiles): number {
  return Math.max(0, Math.min(roomOfUser(files), roomOfControlGroups(files)));
}

/** RLIMIT_NPROC, which counts the threads of all processes of the user. */
function roomOfUser({ read, list }: LimitFiles): number {
  const limit = /^Max processes\s+(\d+)/m.exec(read("/proc/self/limits") ?? "")?.[1];
  const status = read("/proc/self/status") ?? "";
  const uid = userOf(status);
  const capabilities = /^CapEff:\s+([0-9a-f]+)/m.exec(status)?.[1] ?? "0";
  const isExempt = uid === "0" || (BigInt(`0x${capabilities}`) & EXEMPTING_CAPABILITIES) !== 0n;
  if (limit === undefined || uid === undefined || isExempt) return Number.POSITIVE_INFINITY;
  let used = 0;
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    const process = read(`/proc/${pid}/status`) ?? "";
    if (userOf(process) === uid) used += Number(/^Threads:\s+(\d+)/m.exec(process)?.[1] ?? 0);
  }
  return Number(limit) - used;
}

function userOf(status: string): string | undefined {
  return /^Uid:\s+(\d+)/m.exec(status)?.[1];
}

/** `pids.max` of the process's control group and of those around it, as far as they are seen from here. */
function roomOfControlGroups({ read }: LimitFiles): number {
  let room = Number.POSITIVE_INFINITY;
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, group = ""] = /^\d+:([^:]*):\/?(.*)$/.exec(line) ?? [];
    if (controllers !== "" && controllers !== "pids") continue;
    const root = controllers === "" ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids";
    const parts = group.split("/").filter((part) => part !== "");
    for (let depth = parts.length; depth >= 0; depth -= 1) {
      const folder = [root, ...parts.slice(0, depth)].join("/");
      const most = Number.parseInt(read(`${folder}/pids.max`) ?? "", 10);
      const used = Number.parseInt(read(`${folder}/pids.current`) ?? "", 10);
      // "max" is no number.
      if (most - used < room) room = most - used;
    }
  }
  return room;
}

function orElse<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
