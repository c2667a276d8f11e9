// The resolver `io.l5d.fs`: a folder of endpoint files, followed as it changes.
import type { FsConfig } from "../config/types.ts";
import type { Cancel } from "../lib/clock.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { FolderWatches } from "./folder-watches.ts";
import { type FsFile, parseFsFile } from "./fs-file.ts";
import { fileNames, type Located, locate } from "./fs-locate.ts";
import { type HostDeps, HostEndpoints } from "./host-endpoints.ts";
import { inetEndpoint, labelsOf } from "./inet.ts";
import type { Resolver } from "./resolver.ts";

export interface FsDeps extends HostDeps {
  readonly folders: FolderWatches;
}

/** From the first sign of a change to reading: a save is several steps, and is better read after the last. */
const SETTLE_MS = 50;
/** Files are read again after this even without a sign: not every file system gives one. */
const REREAD_MS = 10_000;
/** How many bad lines of a file are told one by one. */
const PROBLEMS_TOLD = 5;

/**
 * Follows `{prefix}/{file}`: each segment below the prefix is a folder, up to the one that is a file. A file that is
 * not there is `neg`, an empty one is bound to nothing, and one with bad lines counts without them.
 */
export class FsResolver implements Resolver {
  readonly #config: FsConfig;
  readonly #deps: FsDeps;

  constructor(config: FsConfig, deps: FsDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  watch(path: string, signal: AbortSignal, report: (resolution: Resolution) => void): void {
    if (signal.aborted) return;
    const labels = labelsOf(path) ?? [];
    const inet = inetEndpoint(labels);
    if (inet !== undefined) {
      const hosts = new HostEndpoints(this.#deps, report);
      signal.addEventListener("abort", () => hosts.clear(), { once: true });
      return hosts.set([inet]);
    }
    const prefix = labelsOf(this.#config.prefix) ?? [];
    const covered = prefix.every((label, index) => label === labels[index]);
    const names = covered ? fileNames(labels.slice(prefix.length)) : undefined;
    if (names === undefined || names.length === 0) return report({ state: "neg" });
    const file = new FsName(this.#config.rootDir, names, this.#deps, report);
    signal.addEventListener("abort", () => file.stop(), { once: true });
  }
}

/** One file, followed until `stop`. */
class FsName {
  readonly #rootDir: string;
  readonly #names: readonly string[];
  readonly #deps: FsDeps;
  readonly #report: (resolution: Resolution) => void;
  readonly #hosts: HostEndpoints;
  readonly #cancelReread: Cancel;
  readonly #folders = new Map<string, () => void>();
  #cancelSettle: Cancel | undefined;
  #stopped = false;
  #reading = false;
  #readAgain = false;
  #text: string | undefined;

  constructor(
    rootDir: string,
    names: readonly string[],
    deps: FsDeps,
    report: (resolution: Resolution) => void,
  ) {
    this.#rootDir = rootDir;
    this.#names = names;
    this.#deps = deps;
    this.#report = report;
    this.#hosts = new HostEndpoints(deps, report);
    this.#cancelReread = deps.clock.every(REREAD_MS, () => this.#read());
    this.#read();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelReread();
    this.#cancelSettle?.();
    this.#hosts.clear();
    for (const leave of this.#folders.values()) leave();
    this.#folders.clear();
  }

  #read(): void {
    if (this.#reading) this.#readAgain = true;
    else void this.#readOnce();
  }

  async #readOnce(): Promise<void> {
    this.#reading = true;
    const entered = new Set<string>();
    const startMs = this.#deps.clock.now();
    const located = await locate(this.#rootDir, this.#names, (folder) => {
      if (this.#stopped) return;
      entered.add(folder);
      this.#enter(folder);
    });
    this.#reading = false;
    if (this.#stopped) return;
    this.#deps.metrics.observeLatency(this.#deps.clock.now() - startMs);
    for (const [folder, leave] of this.#folders) {
      if (entered.has(folder)) continue;
      leave();
      this.#folders.delete(folder);
    }
    this.#apply(located);
    if (!this.#readAgain || this.#stopped) return;
    this.#readAgain = false;
    this.#read();
  }

  #enter(folder: string): void {
    if (this.#folders.has(folder)) return this.#deps.folders.refresh(folder);
    this.#folders.set(
      folder,
      this.#deps.folders.add(folder, () => this.#changed()),
    );
  }

  #changed(): void {
    // Not put off by further changes: a folder that changes all the time is read all the same.
    this.#cancelSettle ??= this.#deps.clock.after(SETTLE_MS, () => {
      this.#cancelSettle = undefined;
      this.#read();
    });
  }

  #apply(located: Located): void {
    if (located.state !== "file") {
      this.#text = undefined;
      this.#hosts.clear();
      return this.#report(located.state === "none" ? { state: "neg" } : located);
    }
    const isNew = this.#text !== located.text;
    this.#text = located.text;
    const parsed = parseFsFile(located.text);
    if (isNew) this.#noteProblems(located.file, parsed);
    const [first] = parsed.problems;
    if (parsed.endpoints.length > 0 || first === undefined)
      return this.#hosts.set(parsed.endpoints);
    this.#hosts.clear();
    const where = `${located.file}:${first.line}: ${first.problem}`;
    this.#report({ state: "failed", cause: `no line of the file can be used; ${where}` });
  }

  #noteProblems(file: string, { problems }: FsFile): void {
    const { log, metrics } = this.#deps;
    metrics.skip(problems.length);
    for (const { line, problem } of problems.slice(0, PROBLEMS_TOLD)) {
      log.warn("left a line out", () => ({ at: `${file}:${line}`, problem }));
    }
    const more = problems.length - PROBLEMS_TOLD;
    if (more > 0) log.warn("left more lines out", () => ({ file, lines: more }));
  }
}
