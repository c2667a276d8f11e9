// The namer `io.l5d.fs`: a folder of endpoint files, or of folders of them.
import type { FsNamerConfig } from "../../config/namer-types.ts";
import { type PathLabels, printPath } from "../../naming/path.ts";
import type { Resolution } from "../../naming/resolution.ts";
import type { LookupTree, Outcome } from "../../naming/tree.ts";
import {
  type FollowedDeps,
  FollowedNames,
  type FollowedStatus,
  type LeafAnswer,
} from "../followed-names.ts";
import { type FsAnswer, type FsDeps, FsFollow } from "./fs-follow.ts";
import { fileNames } from "./fs-locate.ts";
import { followEntries } from "./fs-names.ts";
import {
  boundLeaf,
  followAddresses,
  type GuardedNamer,
  lookupOf,
  NEG,
  HOSTS_CONFIRM_WITHIN_MS,
  tell,
} from "../leaf-namer.ts";

export type FsNamerDeps = FsDeps & FollowedDeps;

/**
 * Names below the prefix are files. Folders are entered segment by segment; the id is the path of the file found, and what
 * comes after it is left over. A file that is not there is `neg`, an empty one is bound to nothing, one with bad lines
 * counts without them, and one without a good line is bound and has addresses that are `failed`.
 */
export class FsNamer implements GuardedNamer {
  readonly #prefix: string;
  readonly #rootDir: string;
  readonly #deps: FsNamerDeps;
  readonly #followed: FollowedNames;

  /** `prefix` is the whole prefix, such as `/#/io.l5d.fs`. */
  constructor(prefix: string, config: FsNamerConfig, deps: FsNamerDeps) {
    this.#prefix = prefix;
    this.#rootDir = config.rootDir;
    this.#deps = deps;
    this.#followed = new FollowedNames({
      ...deps,
      prefix,
      watch: (id, signal, report) => this.#watch(id, signal, report),
      keep: "endpoints",
      confirmsWithinMs: HOSTS_CONFIRM_WITHIN_MS,
    });
  }

  lookup(
    path: PathLabels,
    signal: AbortSignal,
    report: (answer: Outcome<LookupTree>) => void,
  ): void {
    if (fileNames(path) === undefined) return tell(NEG, signal, report);
    this.#descend(path, 1, signal, report);
  }

  addresses(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void {
    followAddresses(this.#followed, id, signal, report);
  }

  /** The entries of the folder itself: those of folders in it are not listed. */
  names(signal: AbortSignal, report: (ids: readonly string[]) => void): void {
    followEntries(this.#rootDir, this.#deps, signal, (entries) => {
      const ids = entries.map(
        (entry) => `${this.#prefix}${printPath([Buffer.from(entry).toString("latin1")])}`,
      );
      report(ids.sort());
    });
  }

  status(): FollowedStatus {
    return this.#followed.status();
  }

  /** Looks at what the first `depth` segments of `path` lead to, and deeper where that is a folder. */
  #descend(
    path: PathLabels,
    depth: number,
    signal: AbortSignal,
    report: (answer: Outcome<LookupTree>) => void,
  ): void {
    // A folder is no name.
    if (depth > path.length) return tell(NEG, signal, report);
    const id = path.slice(0, depth);
    const bound = boundLeaf(this.#prefix, id, path.slice(depth));
    let deeper: AbortController | undefined;
    signal.addEventListener("abort", () => deeper?.abort(), { once: true });
    this.#followed.follow(id, signal, (answer) => {
      if (answer.state !== "folder") {
        deeper?.abort();
        deeper = undefined;
        const outcome = lookupOf(answer, bound);
        if (outcome !== undefined) report(outcome);
      } else if (deeper === undefined) {
        deeper = new AbortController();
        this.#descend(path, depth + 1, deeper.signal, report);
      }
    });
  }

  #watch(id: PathLabels, signal: AbortSignal, report: (answer: LeafAnswer) => void): void {
    const names = fileNames(id);
    if (names === undefined || names.length === 0) return report({ state: "neg" });
    const follow = new FsFollow({
      rootDir: this.#rootDir,
      names,
      deps: this.#deps,
      // In namerd's words; the log has file, line and problem.
      malformed: ({ first }) => `malformed address: ${first.text}`,
      report: (answer) => report(leafAnswer(answer, names.length)),
    });
    signal.addEventListener("abort", () => follow.stop(), { once: true });
  }
}

function leafAnswer(answer: FsAnswer, depth: number): LeafAnswer {
  switch (answer.state) {
    case "file":
      // A file on the way to the name is not the name's.
      if (answer.depth < depth) return { state: "neg" };
      // The name exists, whether the hosts in its file do or not.
      return answer.answer.state === "neg" ? { state: "bound", endpoints: [] } : answer.answer;
    case "none":
      return { state: "neg" };
    case "folder":
    case "failed":
      return answer;
    default:
      return answer satisfies never;
  }
}
