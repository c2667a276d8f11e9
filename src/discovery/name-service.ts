// The port of name services: a dtab and all namers together. The in-process interpreter and our namerd stand on it.
import type { DelegateTree } from "../naming/delegate-tree.ts";
import type { Dtab } from "../naming/dtab.ts";
import type { PathLabels } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { BoundTree, Outcome } from "../naming/tree.ts";

/**
 * Watches follow until `signal` aborts and report every new whole answer in order; equal answers of `bind` and `names` are
 * told once, confirmations of `addresses` each time. Watchers of the same thing share one watch of the source.
 */
export interface NameService {
  /** What `path` is bound to by `dtab`, as Finagle's `Namer.bind` does it: simplified, without alternatives. */
  bind(
    dtab: Dtab,
    path: PathLabels,
    signal: AbortSignal,
    report: (tree: Outcome<BoundTree>) => void,
  ): void;

  /** The addresses of a bound id, transformer prefix allowed; `neg` for what no namer knows. */
  addresses(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void;

  /** Every step of a delegation; what is still pending after `timeoutMs` rejects. */
  delegate(dtab: Dtab, path: PathLabels, timeoutMs: number): Promise<DelegateTree>;

  /** The ids of all namers that can list them, sorted. */
  names(signal: AbortSignal, report: (ids: readonly string[]) => void): void;
}
