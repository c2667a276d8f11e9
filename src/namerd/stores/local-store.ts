// Dtabs that this process alone owns: the rules of writing and of telling. Where they are kept is a journal's part.
import { Audience } from "../../discovery/audience.ts";
import type { Dtab } from "../../naming/dtab.ts";
import { equalBytes } from "../bytes.ts";
import type { DtabStore, Observed, StoredDtab, WriteResult } from "../store.ts";

/** Where the dtabs of a local store are kept, so that they outlive the process. */
export interface Journal {
  /** The version of the next write, where `previous` is that of the dtab it replaces. */
  nextVersion(previous: Uint8Array | undefined): Uint8Array;
  /** Keeps it for good before it returns, or throws and leaves all as it was. */
  put(namespace: string, stored: StoredDtab): void;
  /** As `put`. */
  delete(namespace: string): void;
  close(): void;
}

/** Longest name of a namespace. */
const LONGEST_NAME = 255;

const DONE: WriteResult = { how: "done" };

/** A store whose present is in memory. Each write goes to the journal first, so that nobody sees what may be lost. */
export class LocalStore implements DtabStore {
  readonly #journal: Journal;
  readonly #dtabs: Map<string, StoredDtab>;
  readonly #watched = new Map<string, Audience<Observed<StoredDtab | undefined>>>();
  readonly #listeners = new Audience<Observed<readonly string[]>>();

  /** `dtabs` is what the journal keeps already. */
  constructor(journal: Journal, dtabs: ReadonlyMap<string, StoredDtab>) {
    this.#journal = journal;
    this.#dtabs = new Map(dtabs);
    this.#tellList();
  }

  list(signal: AbortSignal, report: (namespaces: Observed<readonly string[]>) => void): void {
    this.#listeners.add(signal, report, () => {});
  }

  observe(
    namespace: string,
    signal: AbortSignal,
    report: (dtab: Observed<StoredDtab | undefined>) => void,
  ): void {
    let audience = this.#watched.get(namespace);
    if (audience === undefined) {
      if (signal.aborted) return;
      audience = new Audience();
      audience.tell({ state: "ok", value: this.#dtabs.get(namespace) });
      this.#watched.set(namespace, audience);
    }
    const joined = audience;
    joined.add(signal, report, () => {
      if (joined.size === 0 && this.#watched.get(namespace) === joined) {
        this.#watched.delete(namespace);
      }
    });
  }

  async create(namespace: string, dtab: Dtab): Promise<WriteResult> {
    if (this.#dtabs.has(namespace)) return { how: "exists" };
    return this.#write(namespace, dtab);
  }

  async update(namespace: string, dtab: Dtab, version: Uint8Array): Promise<WriteResult> {
    const present = this.#dtabs.get(namespace);
    if (present === undefined) return { how: "missing" };
    if (!equalBytes(present.version, version)) return { how: "version-mismatch" };
    return this.#write(namespace, dtab);
  }

  async put(namespace: string, dtab: Dtab): Promise<WriteResult> {
    return this.#write(namespace, dtab);
  }

  async delete(namespace: string): Promise<WriteResult> {
    if (!this.#dtabs.has(namespace)) return { how: "missing" };
    const cause = attempt(() => this.#journal.delete(namespace));
    if (cause !== undefined) return { how: "failed", cause };
    this.#dtabs.delete(namespace);
    this.#tell(namespace);
    this.#tellList();
    return DONE;
  }

  close(): void {
    this.#journal.close();
  }

  #write(namespace: string, dtab: Dtab): WriteResult {
    const wrong = problemOfName(namespace);
    if (wrong !== undefined) return { how: "invalid-namespace", cause: wrong };
    const before = this.#dtabs.get(namespace);
    const stored = { dtab, version: this.#journal.nextVersion(before?.version) };
    const cause = attempt(() => this.#journal.put(namespace, stored));
    if (cause !== undefined) return { how: "failed", cause };
    this.#dtabs.set(namespace, stored);
    this.#tell(namespace);
    if (before === undefined) this.#tellList();
    return DONE;
  }

  #tell(namespace: string): void {
    this.#watched.get(namespace)?.tell({ state: "ok", value: this.#dtabs.get(namespace) });
  }

  #tellList(): void {
    this.#listeners.tell({ state: "ok", value: [...this.#dtabs.keys()].sort() });
  }
}

function problemOfName(namespace: string): string | undefined {
  if (namespace !== "" && namespace.length <= LONGEST_NAME) return undefined;
  return `a namespace has a name of 1 to ${LONGEST_NAME} characters`;
}

function attempt(write: () => void): string | undefined {
  try {
    write();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
