// What the names of a router stand for: one watch a name, told to all who ask, with the last good endpoints kept when
// the source has nothing better to say.
import { sameEndpoints } from "../discovery/endpoint-set.ts";
import type { Resolver } from "../discovery/resolver.ts";
import type { Clock } from "../lib/clock.ts";
import { Pace } from "../lib/pace.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import { NameMetrics } from "./name-metrics.ts";

/** Answers that do not replace endpoints: the name has gone, the source failed, or it says that there are none. */
export type KeptReason = "neg" | "failed" | "empty";

/** What a name stands for. */
export interface NameState {
  /** In effect now: the last answer, or the last good one where `kept` is set. */
  readonly resolution: Resolution;
  /** Why `resolution` is not the source's last answer; undefined when it is. */
  readonly kept: KeptReason | undefined;
  /**
   * When the source last gave an answer that took effect and was no failure, on the clock of `Names`; undefined before
   * the first. Always current: a mere confirmation is told to nobody, but can be read here.
   */
  readonly lastConfirmedMs: number | undefined;
}

export type NameObserver = (state: NameState) => void;

export interface NamesParts {
  readonly resolver: Resolver;
  /** Label of the router. */
  readonly router: string;
  readonly registry: Registry;
  readonly log: Logger;
  readonly clock: Clock;
}

/** The level of lines that say that nothing stands behind a name: where clients make up names, that is no news. */
export type Absence = "warn" | "debug";

/** Ten lines of a name at once, then one a second. */
const LOG_PACE = { spaceMs: 1_000, creditMs: 10_000 };

/** All names that one router follows. */
export class Names {
  #parts: NamesParts;
  readonly #names = new Map<string, Name>();

  constructor(parts: NamesParts) {
    this.#parts = parts;
  }

  /**
   * Tells `observer` what `path` stands for: now, and whenever that changes. The first to ask for a path starts its
   * watch, and the last to stop ends it. Returns what stops.
   */
  follow(path: string, observer: NameObserver, absence: Absence = "warn"): () => void {
    const known = this.#names.get(path);
    const name = known ?? new Name(path, { ...this.#parts, absence });
    this.#names.set(path, name);
    this.renew(path);
    // Wrapped, so that the same function given twice counts twice.
    const entry: NameObserver = (state) => observer(state);
    name.add(entry);
    return () => {
      if (!name.remove(entry)) return;
      name.stop();
      this.#names.delete(path);
    };
  }

  /**
   * Names that are followed from now on are asked of another resolver, and those that are told to `renew`. Others go on as
   * they were: nobody knows yet whether the new one has such a name.
   */
  setResolver(resolver: Resolver): void {
    this.#parts = { ...this.#parts, resolver };
  }

  /** Asks the current resolver for a name; what is known stays until it has something better. */
  renew(path: string): void {
    this.#names.get(path)?.watch(this.#parts.resolver);
  }

  /** Makes the ages in the metrics current, for whoever is about to read them. */
  refreshAges(): void {
    for (const name of this.#names.values()) name.refreshAge();
  }
}

/** One name, followed until `stop`. */
class Name {
  readonly #path: string;
  readonly #parts: NamesParts & { readonly absence: Absence };
  readonly #metrics: NameMetrics;
  readonly #observers = new Set<NameObserver>();
  #abort = new AbortController();
  #resolver: Resolver | undefined;
  #resolution: Resolution = { state: "pending" };
  #kept: KeptReason | undefined;
  #lastConfirmedMs: number | undefined;
  readonly #logPace: Pace;
  /** What the next line about endpoints counts from; undefined when all is told. */
  #loggedBefore: Resolution | undefined;

  constructor(path: string, parts: NamesParts & { readonly absence: Absence }) {
    this.#path = path;
    this.#parts = parts;
    this.#metrics = new NameMetrics(parts.registry, path, parts.router);
    this.#logPace = new Pace(parts.clock, LOG_PACE);
  }

  /** Follows the answers of `resolver`, and those of no other. Does nothing where it does so already. */
  watch(resolver: Resolver): void {
    if (resolver === this.#resolver) return;
    this.#resolver = resolver;
    this.#abort.abort();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    resolver.watch(this.#path, signal, (resolution) => {
      if (!signal.aborted) this.#take(resolution);
    });
  }

  add(observer: NameObserver): void {
    this.#observers.add(observer);
    this.#tell(observer);
  }

  /** Whether it was the last one. */
  remove(observer: NameObserver): boolean {
    return this.#observers.delete(observer) && this.#observers.size === 0;
  }

  stop(): void {
    this.#abort.abort();
    this.#logPace.drop();
    this.#metrics.release();
  }

  refreshAge(): void {
    const confirmedMs = this.#lastConfirmedMs;
    this.#metrics.setAge(
      confirmedMs === undefined ? undefined : this.#parts.clock.now() - confirmedMs,
    );
  }

  #take(answer: Resolution): void {
    // A source that loses what it knew says nothing new.
    if (answer.state === "pending") return;
    const reason = this.#reasonToKeep(answer);
    if (reason !== undefined) return this.#keep(reason, answer);
    if (answer.state !== "failed") this.#lastConfirmedMs = this.#parts.clock.now();
    const before = this.#resolution;
    const same = sameResolution(before, answer) && this.#kept === undefined;
    this.#resolution = answer;
    this.#kept = undefined;
    if (same) return;
    this.#metrics.setEndpoints(answer.state === "bound" ? answer.endpoints.length : 0);
    this.#logChange(before, answer);
    this.#tellAll();
  }

  /** Endpoints that were good are kept until there are others: a source that is broken must not take down what runs. */
  #reasonToKeep(answer: Resolution): KeptReason | undefined {
    const { state } = this.#resolution;
    if (state !== "bound" || this.#resolution.endpoints.length === 0) return undefined;
    if (answer.state === "neg" || answer.state === "failed") return answer.state;
    return answer.state === "bound" && answer.endpoints.length === 0 ? "empty" : undefined;
  }

  #keep(reason: KeptReason, answer: Resolution): void {
    this.#metrics.countKept(reason);
    if (this.#kept === reason) return;
    this.#kept = reason;
    this.#parts.log.warn("keeping the last good endpoints", () => ({
      ...this.#labels,
      answer: reason,
      cause: answer.state === "failed" ? answer.cause : undefined,
    }));
    this.#tellAll();
  }

  #logChange(before: Resolution, now: Resolution): void {
    const { log, absence } = this.#parts;
    switch (now.state) {
      case "pending":
        return;
      case "neg":
        return log[absence]("the name does not exist", () => this.#labels);
      case "failed":
        return log[absence]("the name cannot be resolved", () => ({
          ...this.#labels,
          cause: now.cause,
        }));
      case "bound":
        return this.#logBound(before, now);
      default:
        return now satisfies never;
    }
  }

  /** A source whose answers change all the time gets a line now and then, which counts from the line before. */
  #logBound(before: Resolution, now: Resolution): void {
    this.#loggedBefore ??= before;
    this.#logPace.offer(() => {
      const since = this.#loggedBefore;
      this.#loggedBefore = undefined;
      if (since === undefined || now.state !== "bound") return;
      this.#parts.log.info("the name is resolved", () => ({
        ...this.#labels,
        ...delta(since, now),
      }));
    });
  }

  get #labels(): { readonly router: string; readonly path: string } {
    return { router: this.#parts.router, path: this.#path };
  }

  #tellAll(): void {
    for (const observer of [...this.#observers]) this.#tell(observer);
  }

  #tell(observer: NameObserver): void {
    const lastConfirmedMs = (): number | undefined => this.#lastConfirmedMs;
    try {
      observer({
        resolution: this.#resolution,
        kept: this.#kept,
        get lastConfirmedMs() {
          return lastConfirmedMs();
        },
      });
    } catch (error) {
      // The resolver that called has nothing to do with it, and the other observers neither.
      this.#parts.log.error("cannot apply what a name stands for", () => ({
        ...this.#labels,
        error: String(error),
      }));
    }
  }
}

function sameResolution(a: Resolution, b: Resolution): boolean {
  if (a.state !== "bound" || b.state !== "bound") return a.state === b.state;
  return sameEndpoints(a.endpoints, b.endpoints);
}

/** How many endpoints came, went and changed their weight. */
function delta(
  before: Resolution,
  now: Resolution & { readonly state: "bound" },
): { endpoints: number; added: number; removed: number; reweighed: number } {
  const old = new Map(
    before.state === "bound"
      ? before.endpoints.map(({ ip, port, weight }) => [`${ip} ${port}`, weight])
      : [],
  );
  const known = now.endpoints.filter(({ ip, port }) => old.has(`${ip} ${port}`));
  return {
    endpoints: now.endpoints.length,
    added: now.endpoints.length - known.length,
    removed: old.size - known.length,
    reweighed: known.filter(({ ip, port, weight }) => old.get(`${ip} ${port}`) !== weight).length,
  };
}
