// CPU time and memory of other processes, as the kernel tells them.
import { dlopen, ptr } from "bun:ffi";
import { readFileSync } from "node:fs";

/** The CPU time that a set of processes has used, user and system, of all their threads, ended ones too. */
export interface CpuClock {
  nanoseconds(): number;
}

/** A kernel clock per process: exact to the nanosecond where /proc/PID/stat counts in ticks of 10 ms. */
export function cpuClock(pids: readonly number[]): CpuClock {
  const clocks = pids.map((pid) => (~pid << 3) | CPUCLOCK_SCHED);
  return {
    nanoseconds: () => clocks.reduce((sum, clock) => sum + read(clock), 0),
  };
}

/** Private memory (RssAnon) of a set of processes, in bytes. */
export function privateMemory(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return sum + 1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]);
  }, 0);
}

/** The processes that `pid` has started and that still live. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

/** Which kind of clock of a process: what the scheduler has given it (clock_getcpuclockid(3) of glibc does the same). */
const CPUCLOCK_SCHED = 2;

const libc = dlopen("libc.so.6", {
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
}).symbols;

const time = new BigInt64Array(2);
const timeAt = ptr(time);

function read(clock: number): number {
  if (libc.clock_gettime(clock, timeAt) !== 0) throw new Error("the proxy has ended");
  return Number(time[0]) * 1e9 + Number(time[1]);
}
