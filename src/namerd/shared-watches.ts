// Watches that are shared: however many follow one thing, its source is followed once.
import { Audience } from "../discovery/audience.ts";
import type { Cancel, Clock } from "../lib/clock.ts";

/** Begins to follow a thing, until `signal` aborts. Nothing may be reported before it returns. */
export type Open<T> = (signal: AbortSignal, report: (value: T) => void) => void;

export interface SharedOptions {
  readonly clock: Clock;
  /** How long a thing that nobody watches any more is followed: the next poll then finds its answer ready. */
  readonly idleMs: number;
  /** How many of those are followed at most; the oldest go first. */
  readonly mostIdle: number;
}

interface Shared<T> {
  readonly audience: Audience<T>;
  readonly stop: AbortController;
}

/** Shared watches by key. Keys stand for the thing that is opened: equal keys must open the same. */
export class SharedWatches<T> {
  readonly #options: SharedOptions;
  readonly #all = new Map<string, Shared<T>>();
  /** Those without an audience, oldest first. */
  readonly #idle = new Map<string, Cancel>();

  constructor(options: SharedOptions) {
    this.#options = options;
  }

  /** How many things are followed now. */
  get size(): number {
    return this.#all.size;
  }

  /** Reports the present, once it is known, and every change until `signal` aborts. */
  watch(key: string, open: Open<T>, signal: AbortSignal, report: (value: T) => void): void {
    if (signal.aborted) return;
    const shared = this.#all.get(key) ?? this.#open(key, open);
    this.#idle.get(key)?.();
    this.#idle.delete(key);
    shared.audience.add(signal, report, () => {
      if (shared.audience.size === 0) this.#rest(key, shared);
    });
  }

  /** Follows nothing any more; nothing is reported from now on. */
  stop(): void {
    for (const cancel of this.#idle.values()) cancel();
    for (const { stop } of this.#all.values()) stop.abort();
    this.#idle.clear();
    this.#all.clear();
  }

  #open(key: string, open: Open<T>): Shared<T> {
    const shared = { audience: new Audience<T>(), stop: new AbortController() };
    this.#all.set(key, shared);
    open(shared.stop.signal, (value) => {
      if (!shared.stop.signal.aborted) shared.audience.tell(value);
    });
    return shared;
  }

  #rest(key: string, shared: Shared<T>): void {
    if (this.#all.get(key) !== shared) return;
    const { clock, idleMs, mostIdle } = this.#options;
    this.#idle.set(
      key,
      clock.after(idleMs, () => this.#end(key)),
    );
    const [oldest] = this.#idle.keys();
    if (this.#idle.size > mostIdle && oldest !== undefined) this.#end(oldest);
  }

  #end(key: string): void {
    this.#idle.get(key)?.();
    this.#idle.delete(key);
    this.#all.get(key)?.stop.abort();
    this.#all.delete(key);
  }
}
