// Finagle's NameTree: what a name may be replaced by, with its alternatives and its splits.
import type { PathLabels } from "./path.ts";

/** A tree whose leaves are `L`: paths while it is written, bound names once it is resolved. */
export type NameTree<L> =
  | { readonly kind: "leaf"; readonly value: L }
  /** The first that is not `neg` counts. */
  | { readonly kind: "alt"; readonly trees: readonly NameTree<L>[] }
  /** Traffic is split in proportion to weight. */
  | { readonly kind: "union"; readonly branches: readonly Weighted<L>[] }
  /** `~`: no such name, try the next alternative. */
  | { readonly kind: "neg" }
  /** `!`: no such name, and do not try further. */
  | { readonly kind: "fail" }
  /** `$`: the name exists and has no endpoints. */
  | { readonly kind: "empty" };

export interface Weighted<L> {
  /** Relative to its siblings; finite, 0 or more. */
  readonly weight: number;
  readonly tree: NameTree<L>;
}

/** A tree as it stands in a dtab. */
export type PathTree = NameTree<PathLabels>;

/** A name that a namer knows: the end of delegation. */
export interface BoundName {
  /** Printed path with the namer's prefix, such as `/#/io.l5d.fs/web`. Equal ids are the same endpoints. */
  readonly id: string;
  /** What of the path was left over; mostly empty. */
  readonly residual: PathLabels;
}

/** A tree that is bound: no alternatives are left in it. */
export type BoundTree = NameTree<BoundName>;

/** What a namer answers: a tree of bound names, and of paths that begin delegation anew. */
export type LookupTree = NameTree<LookupLeaf>;
export type LookupLeaf =
  | { readonly kind: "path"; readonly path: PathLabels }
  | { readonly kind: "bound"; readonly name: BoundName };

/** Something that may not be known yet, or not be found out. `cause` is one sentence for people. */
export type Outcome<T> =
  | { readonly state: "pending" }
  | { readonly state: "failed"; readonly cause: string }
  | { readonly state: "ok"; readonly value: T };
