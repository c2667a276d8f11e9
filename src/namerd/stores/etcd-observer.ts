// One who observes something in etcd. Hears nothing older than what stood there when it began.
import type { EtcdRange } from "../../discovery/etcd/etcd-answer.ts";
import type { EtcdClient, KeyRange } from "../../discovery/etcd/etcd-client.ts";
import type { EtcdState } from "../../discovery/etcd/etcd-watch.ts";
import type { Observed } from "../store.ts";

/**
 * The watch that all observers share may lag behind a write that another process was told is done. So each observer reads
 * its keys once, and waits until the watch has come that far; where etcd does not answer, what is known must do.
 */
export class EtcdObserver<T> {
  readonly #range: KeyRange;
  readonly #view: () => Observed<T>;
  readonly #report: (value: Observed<T>) => void;
  readonly #abort = new AbortController();
  /** What stood in etcd when it began; undefined once the watch has come that far. */
  #floor: EtcdRange | "asking" | undefined = "asking";
  #state: EtcdState | undefined;
  #failure: string | undefined;
  #last: Observed<T> | undefined;

  /** `view`: what there is to report of the present state. */
  constructor(range: KeyRange, view: () => Observed<T>, report: (value: Observed<T>) => void) {
    this.#range = range;
    this.#view = view;
    this.#report = report;
  }

  /** Reads the keys. Reports nothing before it has returned. */
  async begin(client: EtcdClient): Promise<void> {
    const answer = await client.range(this.#range, this.#abort.signal, true);
    if (this.#floor === "asking") this.#floor = answer.ok ? answer.value : undefined;
    if (!answer.ok) this.#failure = answer.cause;
    this.#tell();
  }

  stop(): void {
    this.#abort.abort();
  }

  /** The state of the watch, after each change. */
  update(state: EtcdState): void {
    this.#state = state;
    this.#failure = undefined;
    this.#tell();
  }

  /** etcd cannot be reached: whoever has heard nothing hears what is known. */
  fail(cause: string): void {
    this.#floor = undefined;
    this.#failure = cause;
    this.#tell();
  }

  #tell(): void {
    if (this.#abort.signal.aborted) return;
    const value = this.#value();
    if (value === undefined || Bun.deepEquals(value, this.#last)) return;
    this.#last = value;
    this.#report(value);
  }

  #value(): Observed<T> | undefined {
    if (this.#state === undefined) {
      return this.#failure === undefined ? undefined : { state: "failed", cause: this.#failure };
    }
    if (this.#floor === "asking") return undefined;
    if (this.#floor !== undefined && !hasReached(this.#state, this.#range, this.#floor)) {
      return undefined;
    }
    this.#floor = undefined;
    return this.#view();
  }
}

/** Whether `state` is at least as new as `floor`, as far as the keys of `range` go. */
function hasReached(state: EtcdState, range: KeyRange, floor: EtcdRange): boolean {
  if (floor.kvs.some((kv) => kv.modRevision > state.revision)) return false;
  const there = new Set(floor.kvs.map(({ key }) => key));
  // A key that was not there any more, and that the watch has not seen go or be written anew.
  for (const kv of keysOf(state, range)) {
    if (!there.has(kv.key) && kv.modRevision <= floor.revision) return false;
  }
  return true;
}

function keysOf({ kvs }: EtcdState, { key, end }: KeyRange) {
  if (end !== undefined) return kvs.values();
  const kv = kvs.get(key);
  return kv === undefined ? [] : [kv];
}
