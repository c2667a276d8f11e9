// The port of namers: what knows the names below `/#/<prefix>`.
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { PathLabels } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { LookupTree, Outcome } from "../naming/tree.ts";
import type { Logger } from "../telemetry/log.ts";
import type { HostLookup } from "./host-lookup.ts";
import type { SourceMetrics } from "./metrics.ts";

/** What namers are made of, besides their configuration. */
export interface NamerDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: SourceMetrics;
  /** Host names to addresses. */
  readonly lookup: HostLookup;
}

/**
 * Knows names in one source: a folder of files, Consul, Kubernetes. Both methods follow until `signal` aborts and report
 * every new whole answer, in order, once something is known; nothing is reported after the abort or before they return.
 * Neither throws or ends by itself. A source that cannot be reached any more keeps its last good answer, says so in the log
 * and in its metrics, and tries again; `failed` is for a source that has not answered yet, and for names whose content is bad.
 * An answer that is confirmed unchanged is reported again: that is how others know it to be fresh.
 */
export interface Namer {
  /**
   * What `path` stands for, given without the namer's prefix: mostly a leaf `bound` whose id begins with the namer's whole
   * prefix, or `neg`.
   */
  lookup(
    path: PathLabels,
    signal: AbortSignal,
    report: (answer: Outcome<LookupTree>) => void,
  ): void;

  /** The addresses of an id that `lookup` gave, without the prefix. `neg` where there is no such name. */
  addresses(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void;

  /** All ids below the prefix, printed whole and sorted, of a namer that can list them. */
  names?(signal: AbortSignal, report: (ids: readonly string[]) => void): void;
}

/** A source with an address set for each name of a fixed shape; `leafNamer` (leaf-namer.ts) makes a namer of it. */
export interface LeafSource {
  /** Splits a path, prefix taken off, into the name and what is left over; undefined when it is no name of this source. */
  split(path: PathLabels): { readonly id: PathLabels; readonly residual: PathLabels } | undefined;

  /**
   * Follows the addresses of an id. `neg`: there is no such name, so an alternative is tried. Otherwise as in `Namer`, but for
   * this: a source that has answered and cannot be asked any more says so, by `failed` each time it was tried again in vain,
   * and by an answer, changed or not, as soon as it can be asked again. That the last good answer stays meanwhile is seen
   * to by who watches.
   */
  watch(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void;
}
