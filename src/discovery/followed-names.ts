// The names of one source that are followed now: one watch for each, shared, kept a while after the last watcher left, and
// guarded against a source that loses its names or falls silent.
import type { Cancel, Clock } from "../lib/clock.ts";
import { type PathLabels, printPath } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { Logger } from "../telemetry/log.ts";
import { Audience } from "./audience.ts";
import { NameWarnings } from "./name-warnings.ts";
import type { NamerMetrics } from "./namer-metrics.ts";

/** What a source says of an id: what it stands for, or that it is a folder of names. */
export type LeafAnswer = Resolution | { readonly state: "folder" };

/** What names are followed with. */
export interface FollowedDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: NamerMetrics;
}

export interface FollowedParts extends FollowedDeps {
  /** The namer's whole prefix, for the log. */
  readonly prefix: string;
  /** Follows an id, as `LeafSource.watch`. */
  readonly watch: (
    id: PathLabels,
    signal: AbortSignal,
    report: (answer: LeafAnswer) => void,
  ) => void;
  /**
   * Which answer `failed` does not replace. `any`: it says that the source cannot be asked, so whatever it said before is
   * kept. `endpoints`: it says that the name's content is bad, so only endpoints are.
   */
  readonly keep: "any" | "endpoints";
  /** A healthy source reports each name at least this often; Infinity for one that does not promise it. */
  readonly confirmsWithinMs: number;
}

/** The names of a source, for metrics and for people. */
export interface FollowedStatus {
  /** Followed now, those that linger included. */
  readonly names: number;
  /** Why one of them has no current answer; undefined when all have. */
  readonly failing: string | undefined;
  /** Names that had endpoints, and lost all of them. */
  readonly emptied: number;
  /** Names that the source says nothing of any more, for longer than it promises. */
  readonly silent: number;
  /** Of the name that was confirmed longest ago; undefined before the first answer. */
  readonly oldestConfirmedSeconds: number | undefined;
}

/** How long a name is followed after its last watcher left: watchers that come and go do not each ask the source. */
export const LINGER_MS = 10_000;
/** How many names linger at most; those that linger longest go first. */
export const MAX_LINGERING = 1_000;

/** What many names may have to be warned of at once. */
interface Warnings {
  readonly keeping: NameWarnings;
  readonly emptied: NameWarnings;
}

export class FollowedNames {
  readonly #parts: FollowedParts;
  readonly #warnings: Warnings;
  readonly #names = new Map<string, FollowedName>();
  readonly #lingering = new Map<FollowedName, Cancel>();
  #cancelGuard: Cancel | undefined;

  constructor(parts: FollowedParts) {
    this.#parts = parts;
    const { clock, log } = parts;
    this.#warnings = {
      keeping: new NameWarnings(clock, log, "keeping the last good answer"),
      emptied: new NameWarnings(clock, log, "a name has lost all its endpoints"),
    };
  }

  /** Follows `id` until `signal` aborts; reports every answer that takes effect, and confirmations. Never `pending`. */
  follow(id: PathLabels, signal: AbortSignal, report: (answer: LeafAnswer) => void): void {
    if (signal.aborted) return;
    const name = this.#nameOf(id);
    name.audience.add(signal, report, () => {
      if (name.audience.size === 0) this.#linger(name);
    });
  }

  status(): FollowedStatus {
    const nowMs = this.#parts.clock.now();
    let failing: string | undefined;
    let [emptied, silent, oldestMs] = [0, 0, 0];
    let confirmed = false;
    for (const name of this.#names.values()) {
      if (name.failure !== undefined) failing ??= `${name.path}: ${name.failure}`;
      if (name.emptied) emptied++;
      if (this.#isSilent(name, nowMs)) silent++;
      confirmed ||= name.confirmed;
      oldestMs = Math.max(oldestMs, nowMs - name.lastConfirmedMs);
    }
    const oldestConfirmedSeconds = confirmed ? oldestMs / 1_000 : undefined;
    return { names: this.#names.size, failing, emptied, silent, oldestConfirmedSeconds };
  }

  #nameOf(id: PathLabels): FollowedName {
    const path = `${this.#parts.prefix}${id.length === 0 ? "" : printPath(id)}`;
    const known = this.#names.get(path);
    if (known !== undefined) {
      this.#lingering.get(known)?.();
      this.#lingering.delete(known);
      return known;
    }
    const name = new FollowedName(path, this.#parts, this.#warnings);
    this.#names.set(path, name);
    this.#cancelGuard ??= this.#startGuard();
    name.start(id);
    return name;
  }

  #linger(name: FollowedName): void {
    const cancel = this.#parts.clock.after(LINGER_MS, () => this.#drop(name));
    this.#lingering.set(name, cancel);
    if (this.#lingering.size <= MAX_LINGERING) return;
    const [longest] = this.#lingering.keys();
    if (longest !== undefined) this.#drop(longest);
  }

  #drop(name: FollowedName): void {
    this.#lingering.get(name)?.();
    this.#lingering.delete(name);
    this.#names.delete(name.path);
    name.stop();
    if (this.#names.size > 0) return;
    this.#warnings.keeping.flush();
    this.#warnings.emptied.flush();
    this.#cancelGuard?.();
    this.#cancelGuard = undefined;
  }

  #startGuard(): Cancel | undefined {
    const { clock, confirmsWithinMs } = this.#parts;
    if (!Number.isFinite(confirmsWithinMs)) return undefined;
    return clock.every(confirmsWithinMs, () => this.#lookForSilence());
  }

  #isSilent(name: FollowedName, nowMs: number): boolean {
    return nowMs - name.lastReportMs > this.#parts.confirmsWithinMs;
  }

  /** One line for all names that have fallen silent since the last look: a source mostly loses many at once. */
  #lookForSilence(): void {
    const { clock, log, confirmsWithinMs } = this.#parts;
    const nowMs = clock.now();
    const fresh = [...this.#names.values()].filter((name) => {
      const wasSilent = name.toldSilent;
      name.toldSilent = this.#isSilent(name, nowMs);
      return name.toldSilent && !wasSilent;
    });
    const [first] = fresh;
    if (first === undefined) return;
    log.warn("the source of names is silent; what it said last is still in use", () => ({
      name: first.path,
      names: fresh.length,
      expectedEverySeconds: confirmsWithinMs / 1_000,
    }));
  }
}

/** One name, followed from `start` to `stop`. */
class FollowedName {
  readonly path: string;
  readonly audience = new Audience<LeafAnswer>();
  readonly #parts: FollowedParts;
  readonly #warnings: Warnings;
  readonly #abort = new AbortController();
  #answer: LeafAnswer = { state: "pending" };
  /** Why the last answer was none; undefined when it was one. */
  failure: string | undefined;
  /** It had endpoints, and has none now. */
  emptied = false;
  /** Whether the source has said anything good of it. */
  confirmed = false;
  /** When it was confirmed; before that, since when it is followed. */
  lastConfirmedMs: number;
  /** When the source last said anything. */
  lastReportMs: number;
  toldSilent = false;

  constructor(path: string, parts: FollowedParts, warnings: Warnings) {
    this.path = path;
    this.#parts = parts;
    this.#warnings = warnings;
    this.lastConfirmedMs = parts.clock.now();
    this.lastReportMs = this.lastConfirmedMs;
  }

  start(id: PathLabels): void {
    this.#parts.watch(id, this.#abort.signal, (answer) => this.#take(answer));
  }

  stop(): void {
    this.#abort.abort();
  }

  #take(answer: LeafAnswer): void {
    if (answer.state === "pending" || this.#abort.signal.aborted) return;
    this.lastReportMs = this.#parts.clock.now();
    if (answer.state === "failed") {
      const isNew = this.failure === undefined;
      this.failure = answer.cause;
      if (this.#keeps()) return this.#keep(answer.cause, isNew);
    } else {
      this.failure = undefined;
      this.confirmed = true;
      this.lastConfirmedMs = this.lastReportMs;
      this.#guard(answer);
    }
    this.#answer = answer;
    this.audience.tell(answer);
  }

  #keeps(): boolean {
    const { state } = this.#answer;
    if (this.#parts.keep === "endpoints") return hasEndpoints(this.#answer);
    return state !== "pending" && state !== "failed";
  }

  #keep(cause: string, isNew: boolean): void {
    this.#parts.metrics.countKept();
    if (isNew) this.#warnings.keeping.add({ name: this.path, cause });
  }

  #guard(answer: LeafAnswer): void {
    if (hasEndpoints(answer)) {
      this.emptied = false;
      return;
    }
    if (!hasEndpoints(this.#answer)) return;
    this.emptied = true;
    this.#parts.metrics.countEmptied();
    this.#warnings.emptied.add({
      name: this.path,
      before: this.#answer.state === "bound" ? this.#answer.endpoints.length : 0,
      now: answer.state === "bound" ? "none" : answer.state,
    });
  }
}

function hasEndpoints(answer: LeafAnswer): boolean {
  return answer.state === "bound" && answer.endpoints.length > 0;
}
