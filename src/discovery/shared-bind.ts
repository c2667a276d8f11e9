// One evaluation of a dtab for one path, shared by all who watch it.
import type { Cancel, Clock } from "../lib/clock.ts";
import { bindPath } from "../naming/bind.ts";
import type { DtabIndex } from "../naming/dtab-index.ts";
import type { PathLabels } from "../naming/path.ts";
import type { BoundTree, Outcome } from "../naming/tree.ts";
import { Audience } from "./audience.ts";
import { Lookups, type MountedNamer } from "./lookups.ts";

/**
 * How long branches of a union that are known wait for the others. Without it all traffic would go to whichever branch
 * answers first, and a name would not exist (`neg`) while the branch that has it is still being asked for.
 */
const PATIENCE_MS = 1_000;

/** Runs from its making to `stop`. */
export class SharedBind {
  readonly audience = new Audience<Outcome<BoundTree>>();
  readonly #path: PathLabels;
  readonly #dtab: DtabIndex;
  readonly #clock: Clock;
  readonly #lookups: Lookups;
  #told: Outcome<BoundTree> = { state: "pending" };
  #cancelPatience: Cancel | undefined;
  #patienceIsOver = false;

  constructor(path: PathLabels, dtab: DtabIndex, namers: readonly MountedNamer[], clock: Clock) {
    this.#path = path;
    this.#dtab = dtab;
    this.#clock = clock;
    this.#lookups = new Lookups(namers, clock, () => this.#evaluate());
    this.#evaluate();
  }

  stop(): void {
    this.#lookups.stop();
    this.#cancelPatience?.();
  }

  #evaluate(): void {
    const bound = this.#lookups.during((lookup) => bindPath(this.#path, this.#dtab, lookup));
    const { cause } = this.#lookups;
    // Branches that are well do not hide that others could not be asked for.
    if (cause !== undefined) return this.#tell({ state: "failed", cause });
    // What is pending again, because an alternative is asked for now, is no news: what was known stands until it answers.
    if (bound.state !== "pending" && !this.#waits()) this.#tell(bound);
  }

  #tell(tree: Outcome<BoundTree>): void {
    if (Bun.deepEquals(tree, this.#told)) return;
    this.#told = tree;
    this.audience.tell(tree);
  }

  #waits(): boolean {
    if (!this.#lookups.arePending) {
      this.#cancelPatience?.();
      this.#cancelPatience = undefined;
      this.#patienceIsOver = false;
    } else if (!this.#patienceIsOver) {
      this.#cancelPatience ??= this.#clock.after(PATIENCE_MS, () => {
        this.#patienceIsOver = true;
        this.#evaluate();
      });
      return true;
    }
    return false;
  }
}
