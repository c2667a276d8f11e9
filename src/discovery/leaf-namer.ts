// Makes a namer of a source that has an address set for each name.
import type { PathLabels } from "../naming/path.ts";
import { printPath } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { LookupTree, Outcome } from "../naming/tree.ts";
import {
  type FollowedDeps,
  FollowedNames,
  type FollowedStatus,
  type LeafAnswer,
} from "./followed-names.ts";
import type { LeafSource, Namer } from "./namer.ts";

/** A namer that can tell how its names are. */
export interface GuardedNamer extends Namer {
  status(): FollowedStatus;
}

export interface LeafOptions {
  /**
   * What `failed` of the source means. `source`: it could not be asked, so nothing is known of the name yet. `content`: the
   * name is there and what it holds is bad, so that it is bound, and its addresses are `failed`.
   */
  readonly failedMeans: "source" | "content";
  /** The source reports each name at least this often while it is well; Infinity for one that does not promise it. */
  readonly confirmsWithinMs: number;
}

/** For sources made of host-endpoints.ts: longer than the longest time to live that is heeded there, a fifth added. */
export const HOSTS_CONFIRM_WITHIN_MS = 420_000;

export const NEG: Outcome<LookupTree> = { state: "ok", value: { kind: "neg" } };

/**
 * The namer with the whole prefix `prefix` (`/#/io.l5d.consul`) over `source`. A name is looked up and its addresses are
 * followed by one watch of the source.
 */
export function leafNamer(
  prefix: string,
  source: LeafSource,
  deps: FollowedDeps,
  options: LeafOptions,
): GuardedNamer {
  const followed = new FollowedNames({
    ...deps,
    prefix,
    watch: (id, signal, report) => source.watch(id, signal, report),
    keep: options.failedMeans === "source" ? "any" : "endpoints",
    confirmsWithinMs: options.confirmsWithinMs,
  });
  return {
    lookup(path, signal, report) {
      const split = source.split(path);
      if (split === undefined) return tell(NEG, signal, report);
      const bound = boundLeaf(prefix, split.id, split.residual);
      const { failedMeans } = options;
      followed.follow(split.id, signal, (answer) => {
        if (answer.state === "failed" && failedMeans === "source") return report(answer);
        const outcome = lookupOf(answer, bound);
        if (outcome !== undefined) report(outcome);
      });
    },
    addresses: (id, signal, report) => followAddresses(followed, id, signal, report),
    status: () => followed.status(),
  };
}

/** Reports `value` once, after the caller has returned. */
export function tell<T>(value: T, signal: AbortSignal, report: (value: T) => void): void {
  queueMicrotask(() => {
    if (!signal.aborted) report(value);
  });
}

/** `bound` where the name exists, whatever it holds. Undefined while nothing is known, and for a folder. */
export function lookupOf(
  answer: LeafAnswer,
  bound: Outcome<LookupTree>,
): Outcome<LookupTree> | undefined {
  switch (answer.state) {
    case "neg":
      return NEG;
    case "bound":
    case "failed":
      return bound;
    case "pending":
    case "folder":
      return undefined;
    default:
      return answer satisfies never;
  }
}

/** The leaf of the name `id` below `prefix`. */
export function boundLeaf(
  prefix: string,
  id: PathLabels,
  residual: PathLabels,
): Outcome<LookupTree> {
  const name = { id: `${prefix}${id.length === 0 ? "" : printPath(id)}`, residual };
  return { state: "ok", value: { kind: "leaf", value: { kind: "bound", name } } };
}

/** Follows the addresses of `id`; a folder is no name. */
export function followAddresses(
  followed: FollowedNames,
  id: PathLabels,
  signal: AbortSignal,
  report: (answer: Resolution) => void,
): void {
  followed.follow(id, signal, (answer) =>
    report(answer.state === "folder" ? { state: "neg" } : answer),
  );
}
