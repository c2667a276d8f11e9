// Follows a range of keys in etcd: reads it, watches from there on, and comes back after whatever goes wrong.
import { Backoff } from "../../lib/backoff.ts";
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { Rng } from "../../lib/rng.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { EtcdEvent, EtcdKv, EtcdMessage, EtcdRange } from "./etcd-answer.ts";
import type { Closable, EtcdClient, KeyRange } from "./etcd-client.ts";
import { printKey } from "./etcd-keys.ts";
import type { SourceMetrics } from "../metrics.ts";

/** The keys of a range as they were at one time. */
export interface EtcdState {
  /** By key. The map is the watch's own: it changes with the next report. */
  readonly kvs: ReadonlyMap<string, EtcdKv>;
  /** What happened in the range up to this revision is in `kvs`. */
  readonly revision: bigint;
}

/** Who listens to a followed range. Nothing is called after `stop`, and nothing before the constructor has returned. */
export interface EtcdFollower {
  /** The present, then every change; also where an unchanged state is confirmed. */
  state(state: EtcdState): void;
  /** etcd cannot be reached; told for each attempt. The last state stands. `cause`: one sentence for people. */
  failed(cause: string): void;
}

export interface EtcdWatchDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: Pick<SourceMetrics, "observeLatency">;
}

/** Waits after failures. A read is cheap for etcd, and what waits for it may be an outage. */
const RETRY = { baseMs: 250, maxMs: 10_000 };
/** A watch that lived this long was a good one: the next waits begin small again. */
const STEADY_LIFE_MS = 10_000;
/**
 * The range is read anew after this, give or take a tenth: it shows that a connection has died unnoticed (etcd's own
 * progress notes come only every 10 minutes), and mends whatever a watch could not see, such as a restored backup.
 */
const RESYNC_MS = 300_000;

interface Attempt {
  readonly watch: Closable;
  readonly startMs: number;
  /** Whether the range was not read just before. */
  readonly resumed: boolean;
}

/** One range, followed until `stop`. At most one request is under way. */
export class EtcdWatch {
  readonly #client: EtcdClient;
  readonly #range: KeyRange;
  readonly #deps: EtcdWatchDeps;
  readonly #follower: EtcdFollower;
  readonly #backoff: Backoff;
  readonly #abort = new AbortController();
  #kvs = new Map<string, EtcdKv>();
  #cluster = "";
  /** Where the next watch goes on; undefined where the range must be read first. */
  #revision: bigint | undefined;
  #attempt: Attempt | undefined;
  #lost = false;
  #cancelRetry: Cancel | undefined;
  #cancelResync: Cancel | undefined;

  /** Begins at once. */
  constructor(client: EtcdClient, range: KeyRange, deps: EtcdWatchDeps, follower: EtcdFollower) {
    this.#client = client;
    this.#range = range;
    this.#deps = deps;
    this.#follower = follower;
    this.#backoff = new Backoff(RETRY, deps.rng);
    void this.#read();
  }

  /** Ends everything at once: no request, no timer, no report is left. */
  stop(): void {
    this.#abort.abort();
    this.#cancelRetry?.();
    this.#cancelResync?.();
    this.#attempt?.watch.close();
    this.#attempt = undefined;
  }

  async #read(): Promise<void> {
    const { clock, metrics } = this.#deps;
    const startMs = clock.now();
    const answer = await this.#client.range(this.#range, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    metrics.observeLatency(clock.now() - startMs);
    if (!answer.ok) return this.#retry(answer.cause);
    this.#take(answer.value);
  }

  #take({ cluster, revision, kvs }: EtcdRange): void {
    this.#cluster = cluster;
    this.#revision = revision;
    this.#kvs = new Map(kvs.map((kv) => [kv.key, kv]));
    this.#armResync();
    this.#follow(revision, false);
    this.#tell(revision);
  }

  #follow(revision: bigint, resumed: boolean): void {
    const watch = this.#client.watch(this.#range, revision + 1n, {
      message: (message) => this.#onMessage(message),
      end: (cause) => this.#onEnd(cause),
    });
    this.#attempt = { watch, startMs: this.#deps.clock.now(), resumed };
  }

  #onMessage(message: EtcdMessage): void {
    switch (message.kind) {
      case "created":
        return this.#onCreated(message.cluster, message.revision);
      case "progress":
        return this.#advance(message.revision);
      case "events":
        return this.#onEvents(message.events, message.whole);
      case "compacted":
        return this.#onCompacted(message.oldest);
      default:
        return message satisfies never;
    }
  }

  #onCreated(cluster: string, revision: bigint): void {
    const { resumed = false } = this.#attempt ?? {};
    const wentBack = resumed && revision < (this.#revision ?? 0n);
    // What was seen before may never have been in this etcd; its events say nothing of that. A member that lags behind
    // after the range was read has only not heard of it yet.
    if (cluster !== this.#cluster || wentBack) {
      this.#deps.log.info("etcd is another one, or went back; reading anew", this.#fields);
      return this.#readAnew();
    }
    if (!this.#lost) return;
    this.#lost = false;
    this.#deps.log.info("following etcd again", this.#fields);
    // What was missed comes next, and where that is nothing, nothing else would tell that all is well.
    if (resumed && this.#revision !== undefined) this.#tell(this.#revision);
  }

  #onEvents(events: readonly EtcdEvent[], whole: boolean): void {
    let revision = 0n;
    for (const event of events) {
      if (event.kind === "put") this.#kvs.set(event.kv.key, event.kv);
      else this.#kvs.delete(event.key);
      revision = event.kind === "put" ? event.kv.modRevision : event.modRevision;
    }
    // Of a revision that came in parts and broke off everything is asked for again.
    if (whole) this.#advance(revision);
  }

  #onCompacted(oldest: bigint): void {
    this.#deps.log.info("etcd no longer has what was missed; reading anew", () => ({
      ...this.#fields(),
      oldest: `${oldest}`,
    }));
    this.#readAnew();
  }

  #advance(revision: bigint): void {
    if (this.#revision === undefined || revision > this.#revision) this.#revision = revision;
    this.#tell(this.#revision);
  }

  #onEnd(cause: string): void {
    const { startMs = 0 } = this.#attempt ?? {};
    this.#attempt = undefined;
    if (this.#deps.clock.now() - startMs >= STEADY_LIFE_MS) this.#backoff.reset();
    this.#retry(cause);
  }

  /** Reads the range before watching again, after the wait of a failure: an etcd that ends every watch is not hurried. */
  #readAnew(): void {
    this.#revision = undefined;
    this.#attempt?.watch.close();
    this.#attempt = undefined;
    this.#retryLater();
  }

  #retry(cause: string): void {
    if (!this.#lost) {
      const fields = this.#fields;
      this.#deps.log.warn("cannot follow etcd; what is known stays", () => ({
        ...fields(),
        cause,
      }));
    }
    this.#lost = true;
    this.#retryLater();
    this.#follower.failed(cause);
  }

  #retryLater(): void {
    this.#cancelRetry = this.#deps.clock.after(this.#backoff.next(), () => {
      if (this.#revision === undefined) void this.#read();
      else this.#follow(this.#revision, true);
    });
  }

  #armResync(): void {
    this.#cancelResync?.();
    const delayMs = RESYNC_MS * (0.9 + this.#deps.rng.next() * 0.2);
    this.#cancelResync = this.#deps.clock.after(delayMs, () => {
      // Without a watch, the next attempt reads.
      this.#revision = undefined;
      if (this.#attempt === undefined) return;
      this.#attempt.watch.close();
      this.#attempt = undefined;
      void this.#read();
    });
  }

  #tell(revision: bigint): void {
    if (!this.#abort.signal.aborted) this.#follower.state({ kvs: this.#kvs, revision });
  }

  readonly #fields = (): { readonly keys: string } => ({ keys: printKey(this.#range.key) });
}
