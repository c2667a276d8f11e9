// The entries of a folder, followed as they come and go.
import { readdir } from "node:fs/promises";
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { FolderWatches } from "./folder-watches.ts";
import { REREAD_MS, SETTLE_MS } from "./fs-follow.ts";

/** What editors and scripts leave beside the files they write. */
const LEFTOVER = /^\.|~$|^#.*#$|\.(?:bak|swp|tmp)$/;

/**
 * Reports the names of files and folders in `folder`, sorted, until `signal` aborts: once they are known, and whenever they
 * change. Hidden ones and leftovers of editors are not among them. A folder that is not there has none.
 */
export function followEntries(
  folder: string,
  { clock, folders }: { readonly clock: Clock; readonly folders: FolderWatches },
  signal: AbortSignal,
  report: (names: readonly string[]) => void,
): void {
  if (signal.aborted) return;
  let last: readonly string[] | undefined;
  let turn = 0;
  let cancelSettle: Cancel | undefined;
  const read = async (): Promise<void> => {
    const mine = ++turn;
    folders.refresh(folder);
    const names = await entries(folder);
    // One that was begun later knows better.
    if (signal.aborted || mine !== turn || names === undefined) return;
    if (last !== undefined && Bun.deepEquals(last, names)) return;
    last = names;
    report(names);
  };
  const leave = folders.add(folder, () => {
    cancelSettle ??= clock.after(SETTLE_MS, () => {
      cancelSettle = undefined;
      void read();
    });
  });
  const cancelReread = clock.every(REREAD_MS, () => void read());
  signal.addEventListener(
    "abort",
    () => {
      leave();
      cancelSettle?.();
      cancelReread();
    },
    { once: true },
  );
  void read();
}

/** Undefined where the folder is there and cannot be read: what was known stays. */
async function entries(folder: string): Promise<readonly string[] | undefined> {
  try {
    const all = await readdir(folder, { withFileTypes: true });
    return all
      .filter((entry) => entry.isFile() || entry.isDirectory() || entry.isSymbolicLink())
      .map(({ name }) => name)
      .filter((name) => !LEFTOVER.test(name))
      .sort();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return code === "ENOENT" || code === "ENOTDIR" ? [] : undefined;
  }
}
