// Bounds on one delegation: rules may lead back to themselves, and to several places at each turn.

/** Lookups within lookups. `/svc => /svc` would go on for ever. */
export const MAX_DEPTH = 100;

/**
 * Work of one delegation, in nodes of trees and of the index looked at and labels copied. With paths of ten labels that is
 * some ten thousand lookups; a dtab such as `/a => /a/x | /a/y` would make 2^100 before it reached the greatest depth.
 */
const MAX_WORK = 200_000;

/** Trees within trees, of all lookups together: each takes stack. 100 lookups of ordinary rules make 300. */
const MAX_NESTING = 500;

/** Counts the work of one delegation. */
export class WorkLimit {
  #left: number;
  #nesting = 0;

  constructor(work = MAX_WORK) {
    this.#left = work;
  }

  /** Why the delegation cannot go on; undefined while it can. */
  get cause(): string | undefined {
    if (this.#left < 0) return "the dtab leads to too many lookups for one name";
    return this.#nesting > MAX_NESTING ? "the dtab leads to trees nested too deep" : undefined;
  }

  /** Counts `work`, after which `cause` says whether it was too much. */
  spend(work: number): void {
    this.#left -= work;
  }

  /** Goes one tree deeper, until `leave`, and answers why it should not: see `cause`. */
  enter(): string | undefined {
    this.#left -= 1;
    this.#nesting += 1;
    return this.cause;
  }

  leave(): void {
    this.#nesting -= 1;
  }
}
