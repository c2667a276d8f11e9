// Tells when something in a folder changes. One system watch for each folder, shared by all who ask.
import { type FSWatcher, realpathSync, statSync, watch } from "node:fs";
import { basename } from "node:path";

interface Folder {
  /** By the entry they wait for; undefined for any. */
  readonly listeners: Map<string | undefined, Set<() => void>>;
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

  /**
   * Calls `changed` at each change of the entry `name` of `folder`, of any entry where none is given, until the returned
   * function is called. Where the system does not say what has changed, all are told.
   */
  add(folder: string, changed: () => void, name?: string): () => void {
    const entry = this.#folders.get(folder) ?? {
      listeners: new Map(),
      watcher: undefined,
      identity: undefined,
    };
    this.#folders.set(folder, entry);
    // Wrapped, so that the same function given twice counts twice.
    const listener = (): void => changed();
    const alike = entry.listeners.get(name) ?? new Set();
    entry.listeners.set(name, alike.add(listener));
    this.refresh(folder);
    return () => {
      if (!alike.delete(listener) || alike.size > 0) return;
      entry.listeners.delete(name);
      if (entry.listeners.size > 0) return;
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
    // What happens to the folder itself is told under its own name, where a link leads to it too.
    const own = basename(realpathSync(folder));
    const watcher = watch(folder, { persistent: false }, (_event, name) => {
      tell(entry, name === own ? null : name);
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

function tell({ listeners }: Folder, name: string | null): void {
  const concerned =
    name === null
      ? listeners.values().toArray()
      : [listeners.get(name) ?? [], listeners.get(undefined) ?? []];
  for (const listener of concerned.flatMap((alike) => [...alike])) listener();
}

function identityOf(folder: string): string | undefined {
  try {
    const { dev, ino } = statSync(folder, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return undefined;
  }
}
