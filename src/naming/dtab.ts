// Dtabs: ordered rules that replace the beginning of a path. Reading and printing; looking up is in dtab-index.ts.
import type { PathTree } from "./tree.ts";

/** One element of a dentry's prefix: a label, or `*`, which stands for any one label. */
export type PrefixElement =
  { readonly kind: "label"; readonly label: string } | { readonly kind: "any" };

/** `prefix => tree`. */
export interface Dentry {
  readonly prefix: readonly PrefixElement[];
  readonly tree: PathTree;
}

/** In the order in which they are written; the last that matches counts first. */
export type Dtab = readonly Dentry[];
