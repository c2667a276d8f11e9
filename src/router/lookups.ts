// The destinations of one router on one worker by their paths, for sessions that bring up names: those that are known are
// found at once, others are asked of the control thread.
import type { Balancer } from "../balancer/balancer.ts";
import type { Asker, Lookup } from "./lookup.ts";
import type { RouterMetrics } from "./metrics.ts";

export interface LookupsParts {
  readonly metrics: Pick<RouterMetrics, "found" | "errors">;
  /** Tells the control thread that sessions wait for a path, or do no more. */
  readonly want: (path: string, wanted: boolean) => void;
  /** Keeps a destination until what it answers is called. */
  readonly hold: (destination: number) => () => void;
  /** Those who use a destination now are others than when this was last called for it. */
  readonly onUse: (destination: number, inUse: boolean) => void;
}

/** A destination that sessions may find. */
interface Known {
  readonly path: string;
  readonly destination: number;
  readonly balancer: Balancer;
  /** A session has found it since the last look. */
  found: boolean;
  /** What was told last; undefined: nothing yet. */
  toldInUse: boolean | undefined;
}

/** A destination that was removed while sessions waited for its endpoints. */
interface Leaving {
  readonly balancer: Balancer;
  readonly release: () => void;
}

export class Lookups implements Lookup {
  readonly #parts: LookupsParts;
  readonly #known = new Map<string, Known>();
  readonly #byId = new Map<number, Known>();
  readonly #asked = new Map<string, Set<Asker>>();
  readonly #leaving = new Set<Leaving>();

  constructor(parts: LookupsParts) {
    this.#parts = parts;
  }

  find(path: string, asker: Asker): Balancer | undefined {
    const known = this.#known.get(path);
    if (known !== undefined) {
      known.found = true;
      this.#parts.metrics.found.add(1);
      return known.balancer;
    }
    const asked = this.#asked.get(path);
    if (asked !== undefined) asked.add(asker);
    else {
      this.#asked.set(path, new Set([asker]));
      this.#parts.want(path, true);
    }
    return undefined;
  }

  leave(path: string, asker: Asker): void {
    const askers = this.#asked.get(path);
    if (askers?.delete(asker) !== true || askers.size > 0) return;
    this.#asked.delete(path);
    this.#parts.want(path, false);
  }

  /** A destination is there, or is back: tells those who wait for it. */
  add(path: string, destination: number, balancer: Balancer): void {
    const known: Known = { path, destination, balancer, found: false, toldInUse: undefined };
    this.#known.set(path, known);
    this.#byId.set(destination, known);
    for (const asker of this.#take(path)) {
      known.found = true;
      this.#parts.metrics.found.add(1);
      asker.onBalancer(balancer);
    }
  }

  /** There will be no destination of this path: tells those who wait for it. */
  refuse(path: string): void {
    for (const asker of this.#take(path)) {
      this.#parts.metrics.errors.add(1);
      asker.onNoBalancer();
    }
  }

  /** A destination is about to be removed. Sessions that wait there are served: it is held for as long as they do. */
  remove(destination: number): void {
    const known = this.#byId.get(destination);
    if (known === undefined) return;
    const { path, balancer } = known;
    this.#byId.delete(destination);
    this.#known.delete(path);
    if (balancer.waiting > 0)
      this.#leaving.add({ balancer, release: this.#parts.hold(destination) });
  }

  /** Tells what is used and what is no more; to be called about every second. */
  sample(): void {
    for (const known of this.#known.values()) {
      const inUse = known.found || isUsed(known.balancer);
      known.found = false;
      if (inUse === known.toldInUse) continue;
      known.toldInUse = inUse;
      this.#parts.onUse(known.destination, inUse);
    }
    for (const leaving of this.#leaving) {
      if (leaving.balancer.waiting === 0) this.#letGo(leaving);
    }
  }

  /** Nobody will ask any more. */
  stop(): void {
    for (const path of [...this.#asked.keys()]) this.refuse(path);
    for (const leaving of this.#leaving) this.#letGo(leaving);
  }

  #letGo(leaving: Leaving): void {
    this.#leaving.delete(leaving);
    leaving.release();
  }

  #take(path: string): Iterable<Asker> {
    const askers = this.#asked.get(path) ?? [];
    this.#asked.delete(path);
    return askers;
  }
}

/** Whether sessions have connections, or wait for one. Warm connections are of none. */
function isUsed({ waiting, metrics: { open, warm } }: Balancer): boolean {
  return waiting > 0 || open.value > warm.value;
}
