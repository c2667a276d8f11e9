// Watches of Kubernetes that several names have in common, such as those of all ports of a service: one each, while needed.
import type { K8sState, K8sWatch } from "./k8s-watch.ts";

/** A part in a watch. */
export interface SharedWatch<T> {
  readonly state: K8sState<T>;
  /** Gives the part back; the watch stops with the last one. */
  leave(): void;
}

interface Entry<T> {
  readonly watch: K8sWatch<T>;
  readonly members: Set<() => void>;
}

/** Watches by key. */
export class SharedWatches<T> {
  readonly #entries = new Map<string, Entry<T>>();

  /** How many watches there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Joins the watch of `key`, or begins it with `make`. `changed` is called as K8sWatch says, until `leave`. */
  join(
    key: string,
    make: (changed: () => void) => K8sWatch<T>,
    changed: () => void,
  ): SharedWatch<T> {
    const entry = this.#entries.get(key) ?? this.#begin(key, make);
    // A function of its own for each member, as one may join twice.
    const member = (): void => changed();
    entry.members.add(member);
    return {
      get state() {
        return entry.watch.state;
      },
      leave: () => {
        entry.members.delete(member);
        if (entry.members.size > 0 || this.#entries.get(key) !== entry) return;
        this.#entries.delete(key);
        entry.watch.stop();
      },
    };
  }

  #begin(key: string, make: (changed: () => void) => K8sWatch<T>): Entry<T> {
    const members = new Set<() => void>();
    const watch = make(() => {
      for (const member of members) member();
    });
    const entry = { watch, members };
    this.#entries.set(key, entry);
    return entry;
  }
}
