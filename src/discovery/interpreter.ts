// The port of interpreters: what turns the names of a router into bound names, and those into addresses.
import type { Resolution } from "../naming/resolution.ts";

/** A bound name with its share of the traffic. */
export interface Branch {
  /** Names it to `addresses`; see BoundName in naming/tree.ts. */
  readonly id: string;
  /** Relative to the other branches; finite, 0 or more. */
  readonly weight: number;
}

/**
 * What a path is bound to. `pending`: not known yet. `neg`: nothing. `failed`: nobody could say. `bound`: connections are
 * split among one or more branches, each id once; no branch at all means that the name exists and has no endpoints.
 */
export type Binding =
  | { readonly state: "pending" }
  | { readonly state: "neg" }
  | { readonly state: "failed"; readonly cause: string }
  | { readonly state: "bound"; readonly branches: readonly Branch[] };

/**
 * Both methods follow until `signal` aborts and report every new whole answer, in order, as soon as something is known.
 * They report what the source says and nothing more: keeping the last good answer is the caller's part (control/). Never
 * throw, never end by themselves; nothing is reported after the abort.
 */
export interface Interpreter {
  bind(path: string, signal: AbortSignal, report: (binding: Binding) => void): void;
  addresses(id: string, signal: AbortSignal, report: (resolution: Resolution) => void): void;
}
