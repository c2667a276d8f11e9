// How many descriptors sessions may use: the system's limit less what everything else needs.
import { readdirSync, readFileSync } from "node:fs";

/** Kept free for name resolution, the admin port, health of the runtime, and what nobody thought of. */
const RESERVE = 24;
/** What a worker's event loop and timers hold. */
const RESERVE_PER_WORKER = 8;
/** Assumed where /proc cannot be read. */
const UNKNOWN_LIMIT = 1024;

/** Descriptors for sessions (two each), in the whole process; `others` are those planned for other things. */
export function descriptorsForSessions(workers: number, others: number): number {
  const limit = openFilesLimit();
  return limit - openFiles() - RESERVE - RESERVE_PER_WORKER * workers - others;
}

/** The soft limit of this process; Bun raises it to the hard one at its start. */
export function openFilesLimit(): number {
  const text = readProc(() => readFileSync("/proc/self/limits", "utf8"), "");
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  if (soft === undefined) return UNKNOWN_LIMIT;
  return soft === "unlimited" ? 1_048_576 : Number(soft);
}

function openFiles(): number {
  return readProc(() => readdirSync("/proc/self/fd").length, RESERVE);
}

function readProc<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
