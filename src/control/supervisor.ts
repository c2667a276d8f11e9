// Starts the workers, tells each what it must know, and replaces those that die. The only user of Worker.
import { Backoff } from "../lib/backoff.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Aggregate } from "../telemetry/aggregate.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Counter, Gauge } from "../telemetry/metrics.ts";
import type {
  LogSettings,
  OverloadStart,
  ToControl,
  ToWorker,
  WorkerStart,
} from "../wire/messages.ts";
import type { DestinationUse, WantDestination } from "../wire/name-messages.ts";
import type { EndingProgress, SessionList } from "../wire/session-messages.ts";
import { Outbox } from "./outbox.ts";

const RESTART_BACKOFF = { baseMs: 10, maxMs: 5_000 };
/** A worker that lived this long is replaced without a wait. */
const LONG_LIFE_MS = 60_000;

/** What the supervisor is given. */
export interface SupervisorParts {
  readonly workers: number;
  readonly bufferSizeBytes: number;
  /** Descriptors for sessions, in the whole process. */
  readonly maxDescriptors: number;
  readonly logSettings: LogSettings;
  /** Undefined: nothing is ever shed. */
  readonly overload?: OverloadStart | undefined;
  readonly aggregate: Aggregate;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Worker threads that run. */
  readonly running: Gauge;
  readonly restarts: Counter;
  /** Everything that worker `index` must be told after its start. */
  readonly replay: (index: number) => readonly ToWorker[];
  readonly onReleased: (worker: number, id: number, epoch: number) => void;
  readonly onDied: (worker: number) => void;
  /** A worker tells of its sessions. */
  readonly onSessions: (worker: number, message: EndingProgress | SessionList) => void;
  /** A worker tells of names that connections bring up. */
  readonly onNames?: (worker: number, message: WantDestination | DestinationUse) => void;
}

/** The order of the `confirm` that ends a replay; those of `confirm()` begin at 1. */
const AFTER_REPLAY = 0;
/** A worker that takes longer to apply what it was told is stuck. */
const CONFIRM_WITHIN_MS = 5_000;

/** A `confirm` under way. */
interface Order {
  readonly waitingFor: Set<Slot>;
  readonly done: (isConfirmed: boolean) => void;
}

interface Slot {
  readonly index: number;
  readonly backoff: Backoff;
  worker: Worker | undefined;
  /** Undefined before its worker is ready: `replay` tells it everything then, and nothing may be told twice. */
  outbox: Outbox<ToWorker> | undefined;
  /** When its worker was ready; undefined before. */
  readyMs: number | undefined;
  drained: boolean;
}

export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #slots: readonly Slot[];
  #maxDescriptors: number;
  #state: "running" | "draining" | "stopped" = "running";
  #heardMs = Number.NEGATIVE_INFINITY;
  #cancelRestarts = new Set<Cancel>();
  #onConfirmed: (() => void) | undefined;
  #lastOrder = AFTER_REPLAY;
  readonly #orders = new Map<number, Order>();
  #onDrained: (() => void) | undefined;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#maxDescriptors = parts.maxDescriptors;
    this.#slots = Array.from({ length: parts.workers }, (_, index) => ({
      index,
      backoff: new Backoff(RESTART_BACKOFF, parts.rng),
      worker: undefined,
      outbox: undefined,
      readyMs: undefined,
      drained: false,
    }));
  }

  /** Starts all workers; resolves once each has been told everything. Throws when the system allows no thread. */
  start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    let missing = this.#slots.length;
    this.#onConfirmed = () => {
      missing -= 1;
      if (missing === 0) resolve();
    };
    for (const slot of this.#slots) this.#startWorker(slot);
    return promise;
  }

  /** Tells every worker; answers which were there. One that starts later is told by `replay`. */
  broadcast(message: ToWorker): readonly number[] {
    const told = this.#slots.filter(({ outbox }) => outbox !== undefined);
    for (const { outbox } of told) outbox?.push(message);
    return told.map(({ index }) => index);
  }

  /** When a worker last said something; each answers a `confirm`. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Tells one worker. One that starts later is told by `replay`. */
  tell(index: number, message: ToWorker): void {
    this.#slots[index]?.outbox?.push(message);
  }

  /** Tells every worker what `make` says for its index. */
  tellEach(make: (index: number) => ToWorker): void {
    for (const { index, outbox } of this.#slots) outbox?.push(make(index));
  }

  /** Resolves once every worker has done what it was told before: with false if one does not within some seconds. */
  confirm(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#lastOrder += 1;
    const order = this.#lastOrder;
    // One that starts later is told everything anew, by `replay`.
    const waitingFor = new Set(this.#slots.filter(({ readyMs }) => readyMs !== undefined));
    const cancel = this.#parts.clock.after(CONFIRM_WITHIN_MS, () => done(false));
    const done = (isConfirmed: boolean): void => {
      cancel();
      this.#orders.delete(order);
      resolve(isConfirmed);
    };
    if (waitingFor.size === 0) done(true);
    else this.#orders.set(order, { waitingFor, done });
    for (const { outbox } of waitingFor) outbox?.push({ type: "confirm", order });
    return promise;
  }

  /** From now on so many descriptors are for sessions, in the whole process. */
  limitDescriptors(maxDescriptors: number): void {
    this.#maxDescriptors = maxDescriptors;
    this.broadcast({ type: "limit-descriptors", maxDescriptors: this.#descriptorsOfWorker });
  }

  /** Lets sessions end; resolves when no worker has any left. */
  drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#state = "draining";
    for (const cancel of this.#cancelRestarts) cancel();
    this.#onDrained = resolve;
    this.broadcast({ type: "drain" });
    this.#checkDrained();
    return promise;
  }

  /** Ends all sessions now; `drain` resolves soon after. */
  destroySessions(): void {
    this.broadcast({ type: "destroy" });
  }

  /** Ends all threads. */
  stop(): void {
    this.#state = "stopped";
    for (const slot of this.#slots) slot.worker?.terminate();
  }

  #startWorker(slot: Slot): void {
    const { aggregate, workers, bufferSizeBytes, logSettings } = this.#parts;
    slot.readyMs = undefined;
    const name = `worker-${slot.index}`;
    // `smol` collects garbage sooner: a held connection takes a quarter less (docs/internals/memory.md).
    const worker = new Worker(new URL("../worker/main.ts", import.meta.url).href, {
      smol: true,
      name,
    });
    slot.worker = worker;
    const onMetrics = aggregate.source(name);
    worker.onmessage = ({ data }: MessageEvent<ToControl>) =>
      this.#onMessage(slot, data, onMetrics);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#parts.log.error("worker failed", () => ({ worker: slot.index, detail: event.message }));
    };
    worker.addEventListener("close", () => this.#onClose(slot, worker, name));
    const start: WorkerStart = {
      type: "start",
      worker: slot.index,
      workers,
      bufferSizeBytes,
      maxDescriptors: this.#descriptorsOfWorker,
      log: logSettings,
      overload: this.#parts.overload,
    };
    worker.postMessage(start);
  }

  #onMessage(slot: Slot, message: ToControl, onMetrics: ReturnType<Aggregate["source"]>): void {
    this.#heardMs = this.#parts.clock.now();
    switch (message.type) {
      case "ready":
        return this.#onReady(slot);
      case "confirmed":
        if (message.order === AFTER_REPLAY) return this.#onConfirmed?.();
        return this.#confirmed(slot, message.order);
      case "metrics":
        return onMetrics(message.event);
      case "released":
        return this.#parts.onReleased(slot.index, message.id, message.epoch);
      case "ending":
      case "sessions":
        return this.#parts.onSessions(slot.index, message);
      case "want-destination":
      case "destination-use":
        return this.#parts.onNames?.(slot.index, message);
      case "drained":
        slot.drained = true;
        return this.#checkDrained();
      case "fault":
        return this.#parts.log.error("defect", () => ({
          worker: slot.index,
          detail: message.message,
        }));
      default:
        return message satisfies never;
    }
  }

  #onReady(slot: Slot): void {
    const { worker } = slot;
    if (worker === undefined) return;
    const { running, clock, replay } = this.#parts;
    running.add(1);
    slot.readyMs = clock.now();
    const outbox = new Outbox<ToWorker>((message) => worker.postMessage(message), clock);
    slot.outbox = outbox;
    // What would be served is closed by now.
    if (this.#state !== "running") return outbox.push({ type: "drain" });
    // It may have become another since the start.
    outbox.push({ type: "limit-descriptors", maxDescriptors: this.#descriptorsOfWorker });
    for (const replayed of replay(slot.index)) outbox.push(replayed);
    outbox.push({ type: "confirm", order: AFTER_REPLAY });
  }

  get #descriptorsOfWorker(): number {
    return Math.max(2, Math.floor(this.#maxDescriptors / this.#parts.workers));
  }

  #confirmed(slot: Slot, number: number): void {
    const order = this.#orders.get(number);
    if (order === undefined || !order.waitingFor.delete(slot)) return;
    if (order.waitingFor.size === 0) order.done(true);
  }

  #onClose(slot: Slot, worker: Worker, name: string): void {
    if (slot.worker !== worker) return;
    slot.worker = undefined;
    slot.outbox?.stop();
    slot.outbox = undefined;
    const { aggregate, running, log, clock, onDied } = this.#parts;
    aggregate.endSource(name);
    for (const order of [...this.#orders.keys()]) this.#confirmed(slot, order);
    if (slot.readyMs !== undefined) {
      running.add(-1);
      if (clock.now() - slot.readyMs >= LONG_LIFE_MS) slot.backoff.reset();
      slot.readyMs = undefined;
    }
    if (this.#state === "stopped") return;
    onDied(slot.index);
    if (this.#state === "draining") return this.#checkDrained();
    const delayMs = slot.backoff.next();
    log.error("worker died, its connections are lost; another one starts", () => ({
      worker: slot.index,
      delayMs,
    }));
    this.#restartAfter(delayMs, slot);
  }

  #restartAfter(delayMs: number, slot: Slot): void {
    const { restarts, log, clock } = this.#parts;
    const cancel = clock.after(delayMs, () => {
      this.#cancelRestarts.delete(cancel);
      try {
        this.#startWorker(slot);
        restarts.add(1);
      } catch (error) {
        // The system allows no more threads just now.
        const againMs = slot.backoff.next();
        const fields = { worker: slot.index, detail: String(error), delayMs: againMs };
        log.error("worker could not be started; it is tried again", () => fields);
        this.#restartAfter(againMs, slot);
      }
    });
    this.#cancelRestarts.add(cancel);
  }

  #checkDrained(): void {
    if (this.#slots.every(({ worker, drained }) => drained || worker === undefined))
      this.#onDrained?.();
  }
}
