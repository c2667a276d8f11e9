// Delegation explained: every step from a path to its addresses, for people.
import type { Dentry } from "./dtab.ts";
import type { BoundName } from "./tree.ts";

/** A step. `path` is what is looked up here; `dentry` the rule that led here, undefined at the root. */
export type DelegateTree = {
  /** Printed; `!`, `~` and `$` for the tree's own words. */
  readonly path: string;
  readonly dentry: Dentry | undefined;
} & (
  | { readonly kind: "empty" | "fail" | "neg" }
  | { readonly kind: "exception"; readonly message: string }
  /** One dentry matched: its tree, one step on. */
  | { readonly kind: "delegate"; readonly next: DelegateTree }
  | { readonly kind: "leaf"; readonly bound: BoundName }
  | { readonly kind: "alt"; readonly trees: readonly DelegateTree[] }
  | {
      readonly kind: "union";
      readonly branches: readonly { readonly weight: number; readonly tree: DelegateTree }[];
    }
);
