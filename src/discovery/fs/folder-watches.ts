// Tells when something in a folder changes. One system watch for each folder, shared by all who ask.
import { type FSWatcher, statSync, watch } from "node:fs";

interface Folder {
  readonly listeners: Set<() => void>;
  watcher: FSWatcher | undefined;
  /** The folder that is watched, whatever its path leads to now. */
  identity: string | undefined;
}

/**
 * Watches folders, not files: a watch on a file ends with the first rename over it, which is how editors and
 * Kubernetes replace files. Makes no promise: where the system cannot watch, nothing is told. So look from time to time.
 *
 * One instance serves a whole process. In Bun 1.4.5 a second watch on a path joins the first one, and stays deaf when
 * that one holds a folder that was since replaced: all watches on a path must close before one can see the new folder.
 */
export class FolderWatches {
  readonly #folders = new Map<string, Folder>();

  /** How many folders are watched now. */
  get size(): number {
    return this.#folders.size;
  }

  /** Calls `changed` at each change in `folder` until the returned function is called. */
  add(folder: string, changed: () => void): () => void {
    const entry = this.#folders.get(folder) ?? {
      listeners: new Set(),
      watcher: undefined,
      identity: undefined,
    };
    this.#folders.set(folder, entry);
    // Wrapped, so that the same function given twice counts twice.
    const listener = (): void => changed();
    entry.listeners.add(listener);
    this.refresh(folder);
    return () => {
      if (!entry.listeners.delete(listener) || entry.listeners.size > 0) return;
      entry.watcher?.close();
      this.#folders.delete(folder);
    };
  }

  /** Follows the path to another folder, if it leads to another one by now. */
  refresh(folder: string): void {
    const entry = this.#folders.get(folder);
    if (entry === undefined) return;
    const identity = identityOf(folder);
    if (entry.watcher !== undefined && entry.identity === identity) return;
    entry.watcher?.close();
    entry.watcher = identity === undefined ? undefined : open(folder, entry);
    entry.identity = identity;
  }
}

/** The watches of this process. */
export const systemFolderWatches = new FolderWatches();

function open(folder: string, entry: Folder): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, () => {
      for (const listener of [...entry.listeners]) listener();
    });
    watcher.on("error", () => {
      watcher.close();
      if (entry.watcher === watcher) entry.watcher = undefined;
    });
    return watcher;
  } catch {
    // No such folder any more, no right to read it, or no inotify watch left.
    return undefined;
  }
}

function identityOf(folder: string): string | undefined {
  try {
    const { dev, ino } = statSync(folder, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}
