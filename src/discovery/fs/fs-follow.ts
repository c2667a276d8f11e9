// One file of endpoints, or what stands in its place, followed as it changes. The resolver and the namer `io.l5d.fs` are
// both made of it.
import type { Cancel } from "../../lib/clock.ts";
import type { Resolution } from "../../naming/resolution.ts";
import type { FolderWatches } from "./folder-watches.ts";
import { type FsFile, type LineProblem, parseFsFile } from "./fs-file.ts";
import { type Located, type LocatedFile, locate } from "./fs-locate.ts";
import { type HostDeps, HostEndpoints } from "../host-endpoints.ts";

export interface FsDeps extends HostDeps {
  readonly folders: FolderWatches;
}

/** What stands where a name leads to. */
export type FsAnswer =
  /** What its endpoints stand for. `depth` segments of the name lead to the file. */
  | { readonly state: "file"; readonly depth: number; readonly answer: Resolution }
  | { readonly state: "folder" }
  | { readonly state: "none" }
  /** It cannot be read. */
  | { readonly state: "failed"; readonly cause: string };

/** A file without a usable line. */
export interface Malformed {
  readonly file: string;
  readonly first: LineProblem;
}

export interface FsFollowParts {
  readonly rootDir: string;
  /** As `fileNames` gives them. */
  readonly names: readonly string[];
  readonly deps: FsDeps;
  /** The cause of `failed` for a file none of whose lines can be used. */
  readonly malformed: (malformed: Malformed) => string;
  readonly report: (answer: FsAnswer) => void;
}

/** From the first sign of a change to reading: a save is several steps, and is better read after the last. */
export const SETTLE_MS = 50;
/** Files are looked at again after this at the latest, even without a sign: not every file system gives one. */
export const REREAD_MS = 10_000;
/** Looks fall on multiples of this, a few names at a time: it is waking up that costs, more than looking. */
const LOOK_STEP_MS = 250;
/**
 * A file is read at each look until this long after its stamp was first seen: the times of a file go in steps, of two
 * seconds at most (FAT), and two changes within one step give the same stamp.
 */
const STEP_MS = 2_000;
/** A read that takes longer is stuck, as on a file server that is gone: what was read before is no longer confirmed. */
const STUCK_MS = 30_000;
/** How many bad lines of a file are told one by one. */
const PROBLEMS_TOLD = 5;

interface Watched {
  readonly leave: () => void;
  /** Whether any change in the folder counts, and not only one of the name in it. */
  readonly all: boolean;
}

/** Begins at once, and ends with `stop`. */
export class FsFollow {
  readonly #parts: FsFollowParts;
  readonly #hosts: HostEndpoints;
  #cancelReread: Cancel | undefined;
  readonly #folders = new Map<string, Watched>();
  #cancelSettle: Cancel | undefined;
  #stopped = false;
  #reading = false;
  #readingSinceMs = 0;
  #readAgain = false;
  /** What was read last, when its stamp was first seen, and whether it was read late enough to trust the stamp. */
  #last:
    { readonly file: LocatedFile; readonly sinceMs: number; readonly settled: boolean } | undefined;
  #text: string | undefined;
  #parsed: FsFile = { endpoints: [], problems: [] };
  #depth = 0;
  #told: Resolution | undefined;
  #doubted = false;

  constructor(parts: FsFollowParts) {
    this.#parts = parts;
    this.#hosts = new HostEndpoints(parts.deps, (answer) => {
      if (!this.#isStuck || !Bun.deepEquals(answer, this.#told)) this.#tellFile(answer);
    });
    this.#rereadLater();
    this.#read();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelReread?.();
    this.#cancelSettle?.();
    this.#hosts.clear();
    for (const { leave } of this.#folders.values()) leave();
    this.#folders.clear();
  }

  /** Each name at its own times, so that a thousand of them are not looked at all at once; see LOOK_STEP_MS. */
  #rereadLater(): void {
    const { clock, rng } = this.#parts.deps;
    const nowMs = clock.now();
    const dueMs = nowMs + REREAD_MS * (0.8 + 0.2 * rng.next());
    this.#cancelReread = clock.after(dueMs - (dueMs % LOOK_STEP_MS) - nowMs, () => {
      this.#rereadLater();
      this.#read();
    });
  }

  #read(): void {
    if (this.#reading) this.#readAgain = true;
    else void this.#readOnce();
  }

  async #readOnce(): Promise<void> {
    const { rootDir, names, deps } = this.#parts;
    this.#reading = true;
    const entered = new Set<string>();
    this.#readingSinceMs = deps.clock.now();
    const located = await locate({
      rootDir,
      names,
      enter: (folder, name) => {
        if (this.#stopped) return;
        entered.add(folder);
        this.#enter(folder, name);
      },
      enterLink: (folder) => this.#enterLink(folder),
      known: this.#last?.settled === true ? this.#last.file : undefined,
    });
    this.#reading = false;
    if (this.#stopped) return;
    deps.metrics.observeLatency(deps.clock.now() - this.#readingSinceMs);
    for (const [folder, { leave }] of this.#folders) {
      if (entered.has(folder)) continue;
      leave();
      this.#folders.delete(folder);
    }
    this.#remember(located);
    this.#apply(located);
    if (!this.#readAgain || this.#stopped) return;
    this.#readAgain = false;
    this.#read();
  }

  #remember(located: Located): void {
    if (located.state !== "file") {
      this.#last = undefined;
      return;
    }
    const same = this.#last?.file.stamp === located.stamp ? this.#last : undefined;
    const sinceMs = same?.sinceMs ?? this.#readingSinceMs;
    const settled = located.whole && this.#readingSinceMs - sinceMs >= STEP_MS;
    this.#last = { file: located, sinceMs, settled };
  }

  #enter(folder: string, name: string): void {
    const { folders } = this.#parts.deps;
    if (this.#folders.has(folder)) return folders.refresh(folder);
    const leave = folders.add(folder, () => this.#changed(), name);
    this.#folders.set(folder, { leave, all: false });
  }

  /** Where a link leads through others, as in a ConfigMap, it is another entry that changes. */
  #enterLink(folder: string): void {
    const before = this.#folders.get(folder);
    if (this.#stopped || before?.all === true) return;
    const leave = this.#parts.deps.folders.add(folder, () => this.#changed());
    this.#folders.set(folder, { leave, all: true });
    before?.leave();
  }

  #changed(): void {
    // Not put off by further changes: a folder that changes all the time is read all the same.
    this.#cancelSettle ??= this.#parts.deps.clock.after(SETTLE_MS, () => {
      this.#cancelSettle = undefined;
      this.#read();
    });
  }

  /**
   * Whether a file that had something in it seems to be gone or empty for the first time: editors and scripts that take
   * it away to put another one in its place are not to be met in the middle.
   */
  #doubts(located: Located): boolean {
    const gone =
      located.state === "none" || (located.state === "file" && located.text.trim() === "");
    const had = this.#text !== undefined && this.#text.trim() !== "";
    this.#doubted = gone && had && !this.#doubted;
    return this.#doubted;
  }

  #apply(located: Located): void {
    if (this.#doubts(located)) return this.#changed();
    if (located.state !== "file") {
      this.#text = undefined;
      this.#hosts.clear();
      return this.#parts.report(located);
    }
    const isNew = this.#text !== located.text;
    this.#text = located.text;
    this.#depth = located.depth;
    if (isNew) {
      this.#parsed = parseFsFile(located.text);
      this.#noteProblems(located.file, this.#parsed);
    }
    const parsed = this.#parsed;
    const [first] = parsed.problems;
    if (parsed.endpoints.length > 0 || first === undefined)
      return this.#hosts.set(parsed.endpoints);
    this.#hosts.clear();
    const cause = this.#parts.malformed({ file: located.file, first });
    this.#tellFile({ state: "failed", cause });
  }

  get #isStuck(): boolean {
    return this.#reading && this.#parts.deps.clock.now() - this.#readingSinceMs > STUCK_MS;
  }

  #tellFile(answer: Resolution): void {
    this.#told = answer;
    this.#parts.report({ state: "file", depth: this.#depth, answer });
  }

  #noteProblems(file: string, { problems }: FsFile): void {
    const { log, metrics } = this.#parts.deps;
    metrics.skip(problems.length);
    for (const { line, problem } of problems.slice(0, PROBLEMS_TOLD)) {
      log.warn("left a line out", () => ({ at: `${file}:${line}`, problem }));
    }
    const more = problems.length - PROBLEMS_TOLD;
    if (more > 0) log.warn("left more lines out", () => ({ file, lines: more }));
  }
}
