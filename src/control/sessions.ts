// The sessions of all workers, for those who ask: listing them, and ending some of them with progress to be seen.
import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import type { ToWorker } from "../wire/messages.ts";
import type {
  EndHow,
  EndingProgress,
  EndReason,
  SessionList,
  SessionRow,
  SessionSelector,
  SessionSort,
} from "../wire/session-messages.ts";

/** A worker that has not answered by then is left out of a list. */
const LIST_WITHIN_MS = 5_000;
const LOG_PERIOD_MS = 10_000;

/** What sessions are reached with. */
export interface SessionsParts {
  readonly workers: number;
  /** Tells every worker that runs; answers their indices. */
  readonly broadcast: (message: ToWorker) => readonly number[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Sessions that are being ended. */
export interface Ending {
  /** Unique for the life of the process. */
  readonly order: number;
  /** What is ended, in words for people. */
  readonly what: string;
  readonly reason: EndReason;
  readonly how: EndHow;
  /** When it began, on the clock that never goes back. */
  readonly sinceMs: number;
  /** Sessions that it found; grows until every worker has told. */
  readonly total: number;
  /** Those that have not ended. */
  readonly left: number;
  readonly isOver: boolean;
  /** Resolves when none is left; never rejects. */
  readonly done: Promise<void>;
  /** Leaves those alone that have not been begun; with `endpoints` only those of these. */
  stop(endpoints?: readonly number[]): void;
}

/** Sessions of the whole process. */
export interface SessionListing {
  /** How many fit. */
  readonly total: number;
  readonly rows: readonly SessionRow[];
  /** Workers that did not answer in time. */
  readonly missing: number;
}

export class Sessions {
  readonly #parts: SessionsParts;
  readonly #endings = new Map<number, Order>();
  readonly #queries = new Map<number, Query>();
  #nextId = 1;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  /** All that are under way, the oldest first. */
  get endings(): readonly Ending[] {
    return [...this.#endings.values()];
  }

  /**
   * Ends the sessions that fit now. `maxPerSecond` of `how` is that of the whole process. `what` says in words which
   * these are, such as `endpoint 10.0.0.1:80`.
   */
  end(selector: SessionSelector, how: EndHow, reason: EndReason, what: string): Ending {
    const { workers, broadcast, clock, log } = this.#parts;
    const id = this.#newId();
    const stop = (endpoints?: readonly number[]): void => {
      broadcast({ type: "stop-ending", order: id, ...(endpoints !== undefined && { endpoints }) });
    };
    const order = new Order({ order: id, what, reason, how, clock, log, stop });
    this.#endings.set(id, order);
    const share = how.kind === "cut" ? how : { ...how, maxPerSecond: how.maxPerSecond / workers };
    order.begin(broadcast({ type: "end-sessions", order: id, selector, how: share, reason }));
    if (order.isOver) this.#endings.delete(id);
    return order;
  }

  /** The sessions that fit; `limit` rows at most, those first that `sort` says. Never rejects. */
  list(selector: SessionSelector, limit: number, sort: SessionSort): Promise<SessionListing> {
    const { broadcast, clock } = this.#parts;
    const id = this.#newId();
    const { promise, resolve } = Promise.withResolvers<SessionListing>();
    const query: Query = { waitingFor: new Set(), total: 0, rows: [], finish: () => {} };
    query.finish = () => {
      cancel();
      this.#queries.delete(id);
      const rows = query.rows.toSorted((a, b) => rank(b, sort) - rank(a, sort)).slice(0, limit);
      resolve({ total: query.total, rows, missing: query.waitingFor.size });
    };
    this.#queries.set(id, query);
    const cancel = clock.after(LIST_WITHIN_MS, () => query.finish());
    query.waitingFor = new Set(
      broadcast({ type: "list-sessions", query: id, selector, limit, sort }),
    );
    if (query.waitingFor.size === 0) query.finish();
    return promise;
  }

  /** A worker has answered. */
  apply(worker: number, message: EndingProgress | SessionList): void {
    if (message.type === "sessions") {
      const query = this.#queries.get(message.query);
      if (query === undefined) return;
      query.total += message.total;
      query.rows.push(...message.rows);
      return this.#answered(query, worker);
    }
    const order = this.#endings.get(message.order);
    order?.progress(worker, message);
    if (order?.isOver === true) this.#endings.delete(message.order);
  }

  /** A worker has died, and its sessions with it. */
  workerDied(worker: number): void {
    for (const query of this.#queries.values()) this.#answered(query, worker);
    for (const [id, order] of this.#endings) {
      order.workerDied(worker);
      if (order.isOver) this.#endings.delete(id);
    }
  }

  #answered(query: Query, worker: number): void {
    if (query.waitingFor.delete(worker) && query.waitingFor.size === 0) query.finish();
  }

  #newId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }
}

interface Query {
  waitingFor: Set<number>;
  total: number;
  readonly rows: SessionRow[];
  finish: () => void;
}

type OrderParts = Pick<Ending, "order" | "what" | "reason" | "how" | "stop"> &
  Pick<SessionsParts, "clock" | "log">;

/** One order to end sessions. */
class Order implements Ending {
  readonly order: number;
  readonly what: string;
  readonly reason: EndReason;
  readonly how: EndHow;
  readonly stop: Ending["stop"];
  readonly sinceMs: number;
  readonly done: Promise<void>;
  readonly #parts: OrderParts;
  readonly #finish: () => void;
  /** By worker; undefined until it has told. */
  readonly #told = new Map<number, { total: number; left: number } | undefined>();
  readonly #over = new Set<number>();
  /** When the log last said something of it; undefined before. */
  #loggedMs: number | undefined;
  isOver = false;

  constructor(parts: OrderParts) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.order = parts.order;
    this.what = parts.what;
    this.reason = parts.reason;
    this.how = parts.how;
    this.stop = parts.stop;
    this.sinceMs = parts.clock.now();
    this.done = promise;
    this.#finish = resolve;
    this.#parts = parts;
  }

  get total(): number {
    return this.#sum("total");
  }

  get left(): number {
    return this.#sum("left");
  }

  /** `workers` were told. */
  begin(workers: readonly number[]): void {
    for (const worker of workers) this.#told.set(worker, undefined);
    this.#update();
  }

  progress(worker: number, { total, left, isOver }: EndingProgress): void {
    this.#told.set(worker, { total, left });
    if (isOver) this.#over.add(worker);
    this.#update();
  }

  workerDied(worker: number): void {
    if (!this.#told.has(worker)) return;
    const { total } = this.#told.get(worker) ?? { total: 0 };
    this.#told.set(worker, { total, left: 0 });
    this.#over.add(worker);
    this.#update();
  }

  #update(): void {
    const isOver = this.#over.size === this.#told.size;
    this.#log(isOver);
    if (!isOver || this.isOver) return;
    this.isOver = true;
    this.#finish();
  }

  /** At the start once all have told, now and then, and at the end; not at all when there was nothing to end. */
  #log(isOver: boolean): void {
    const { clock, log } = this.#parts;
    const { what, reason, total, left } = this;
    const nowMs = clock.now();
    if ([...this.#told.values()].includes(undefined) || total === 0 || this.isOver) return;
    const fields = () => ({ what, reason, total, left, ms: Math.round(nowMs - this.sinceMs) });
    if (this.#loggedMs === undefined) {
      log.info("ending connections", fields);
      this.#loggedMs = nowMs;
    }
    if (isOver) return log.info("connections are ended", fields);
    if (nowMs - this.#loggedMs < LOG_PERIOD_MS) return;
    this.#loggedMs = nowMs;
    log.info("still ending connections", fields);
  }

  #sum(which: "total" | "left"): number {
    let sum = 0;
    for (const told of this.#told.values()) sum += told?.[which] ?? 0;
    return sum;
  }
}

function rank({ ageMs, idleMs, rxBytes, txBytes }: SessionRow, sort: SessionSort): number {
  switch (sort) {
    case "age":
      return ageMs;
    case "idle":
      return idleMs;
    case "bytes":
      return rxBytes + txBytes;
    default:
      return sort satisfies never;
  }
}
