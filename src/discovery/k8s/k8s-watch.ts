// Follows the objects of one list in Kubernetes: lists them, watches from there, and lists anew when its place is lost.
import { Backoff } from "../../lib/backoff.ts";
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { Rng } from "../../lib/rng.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { ExchangeEnd } from "../http-exchange.ts";
import { type Page, parseEvent, parsePage, type ReadObject } from "./k8s-object.ts";
import { K8sRequest, type K8sServer } from "./k8s-request.ts";
import type { SourceMetrics } from "../metrics.ts";

/** Which objects. */
export interface K8sList<T> {
  /** For people: `the EndpointSlices of web in default`. */
  readonly what: string;
  /** Of the resource, such as `/api/v1/namespaces/default/services`. */
  readonly path: string;
  /** `labelSelector` or `fieldSelector`, encoded for a query. */
  readonly selector: string;
  readonly read: ReadObject<T>;
}

export interface K8sWatchDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: SourceMetrics;
}

/** What is known. `known` stays, with its last good objects, whatever fails later; `failing` then tells why. */
export type K8sState<T> =
  | { readonly state: "pending" }
  | { readonly state: "failed"; readonly cause: string }
  | {
      readonly state: "known";
      readonly items: ReadonlyMap<string, T>;
      /** Why it may be out of date, one sentence for people; undefined while it is not. */
      readonly failing: string | undefined;
    };

const RETRY = { baseMs: 100, maxMs: 10_000 };
/** A watch that lived this long was a good one: the next waits begin small again. */
const STEADY_LIFE_MS = 10_000;
/** Drawn for each watch, so that those of many clients do not end at the same time. */
const WATCH_SECS = { least: 290, most: 580 };
/** What a server may be late in ending a watch. A connection that died in silence shows in no other way. */
const LATE_SECS = 30;
/** Objects in a page: a slice has 100 endpoints, or 1,000 where a cluster is set up so, which is less than 16 MiB. */
const PAGE_SIZE = 25;
/** Most objects of a list: 200,000 endpoints. */
const MAX_OBJECTS = 2_000;
/** More pages than that have no objects in them. */
const MAX_PAGES = 200;
const GONE = 410;
/** Failures of a watch that say nothing about the version it asked for: refused for now, overloaded, out of order. */
const KEEPS_PLACE: readonly number[] = [401, 403, 429, 500, 502, 503];
/** After so many of them in a row a new list is tried: a version that is none at all gets a 500 (seen in 1.34). */
const MOST_REFUSALS = 3;
/** A list this old has not been lost by asking for it: its loss is no reason to wait. */
const OLD_LIST_MS = 10_000;

interface Listing<T> {
  readonly items: Map<string, T>;
  /** That of the first page: what changes while the others are fetched is told again by the watch. */
  version: string | undefined;
  next: string | undefined;
  pages: number;
}

interface Watching {
  readonly startMs: number;
  headMs: number | undefined;
  /** Why the version cannot be used any more. */
  lost: "expired" | "garbled" | undefined;
}

/** One list, followed until `stop`. At most one request or one wait is under way. */
export class K8sWatch<T> {
  readonly #server: K8sServer;
  readonly #list: K8sList<T>;
  readonly #deps: K8sWatchDeps;
  readonly #changed: () => void;
  readonly #backoff: Backoff;
  #state: K8sState<T> = { state: "pending" };
  #items = new Map<string, T>();
  #version = "";
  #listedMs = 0;
  #refusals = 0;
  #request: K8sRequest | undefined;
  #cancelTimer: Cancel | undefined;
  #failing = false;
  #stopped = false;

  /** Begins at once. `changed` is called whenever the state is new or has been confirmed, and for each failure. */
  constructor(server: K8sServer, list: K8sList<T>, deps: K8sWatchDeps, changed: () => void) {
    this.#server = server;
    this.#list = list;
    this.#deps = deps;
    this.#changed = changed;
    this.#backoff = new Backoff(RETRY, deps.rng);
    this.#relist();
  }

  get state(): K8sState<T> {
    return this.#state;
  }

  /** Ends everything at once: no request, no timer, no call is left. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#request?.close();
    this.#request = undefined;
  }

  #relist(): void {
    this.#fetch({ items: new Map(), version: undefined, next: undefined, pages: 0 });
  }

  #fetch(listing: Listing<T>): void {
    const startMs = this.#deps.clock.now();
    let page: Page<T> | undefined;
    const next = listing.next === undefined ? "" : `&continue=${encodeURIComponent(listing.next)}`;
    this.#ask(`limit=${PAGE_SIZE}${next}`, "list", {
      head() {},
      text: (text) => {
        const parsed = parsePage(text, this.#list.read);
        if (!parsed.ok) return parsed.problem;
        page = parsed.value;
        return undefined;
      },
      end: (end) => {
        this.#deps.metrics.observeLatency(this.#deps.clock.now() - startMs);
        if (end.how === "complete" && page !== undefined) return this.#onPage(listing, page);
        this.#retry(this.#causeOf(end), () => this.#relist());
      },
    });
  }

  #onPage(listing: Listing<T>, page: Page<T>): void {
    listing.version ??= page.version;
    listing.next = page.next;
    listing.pages++;
    for (const [name, item] of page.items) listing.items.set(name, item);
    if (listing.items.size > MAX_OBJECTS || listing.pages > MAX_PAGES) {
      const cause = `Kubernetes has more than ${MAX_OBJECTS} objects for ${this.#list.what}`;
      return this.#retry(cause, () => this.#relist());
    }
    if (page.next !== undefined) return this.#fetch(listing);
    this.#items = listing.items;
    this.#version = listing.version;
    this.#listedMs = this.#deps.clock.now();
    this.#refusals = 0;
    this.#recovered();
    this.#tell();
    if (!this.#stopped) this.#watch();
  }

  #watch(): void {
    const { clock, rng, metrics } = this.#deps;
    const { least, most } = WATCH_SECS;
    const secs = least + Math.floor(rng.next() * (most - least + 1));
    const watching: Watching = { startMs: clock.now(), headMs: undefined, lost: undefined };
    const version = encodeURIComponent(this.#version);
    const query = `watch=true&resourceVersion=${version}&allowWatchBookmarks=true&timeoutSeconds=${secs}`;
    this.#ask(query, "watch", {
      head: () => {
        watching.headMs = clock.now();
        this.#refusals = 0;
        metrics.observeLatency(clock.now() - watching.startMs);
        if (!this.#failing) return;
        this.#recovered();
        this.#tell();
      },
      text: (text) => this.#onLine(text, watching),
      end: (end) => this.#onWatchEnd(end, watching),
    });
    this.#setTimer((secs + LATE_SECS) * 1_000, () => {
      this.#deps.log.debug("replacing a watch that does not end", () => ({ of: this.#list.what }));
      this.#request?.close();
      this.#watch();
    });
  }

  /** Takes one event; answers why the watch must end, if it must. */
  #onLine(text: string, watching: Watching): string | undefined {
    const event = parseEvent(text, this.#list.read);
    if (!event.ok) {
      watching.lost = "garbled";
      return event.problem;
    }
    switch (event.value.kind) {
      case "set":
        this.#items.set(event.value.name, event.value.value);
        if (this.#items.size > MAX_OBJECTS) return this.#overflow(event.value.name, watching);
        break;
      case "deleted":
        this.#items.delete(event.value.name);
        break;
      case "bookmark":
        break;
      case "expired":
        watching.lost = "expired";
        return "Kubernetes has forgotten the version that was asked for";
      case "failed":
        watching.lost = "garbled";
        return event.value.cause;
      default:
        return event.value satisfies never;
    }
    this.#version = event.value.version;
    this.#tell();
    return undefined;
  }

  #overflow(name: string, watching: Watching): string {
    this.#items.delete(name);
    watching.lost = "garbled";
    return `Kubernetes has more than ${MAX_OBJECTS} objects for ${this.#list.what}`;
  }

  #onWatchEnd(end: ExchangeEnd, watching: Watching): void {
    const { clock, metrics } = this.#deps;
    if (watching.headMs === undefined) metrics.observeLatency(clock.now() - watching.startMs);
    else if (clock.now() - watching.headMs >= STEADY_LIFE_MS) this.#backoff.reset();
    if (end.how === "complete") return this.#setTimer(this.#backoff.next(), () => this.#watch());
    const { status } = end;
    if (watching.lost === "expired" || status === GONE) return this.#onExpired();
    if (status !== undefined) this.#refusals++;
    const refused = status !== undefined && !KEEPS_PLACE.includes(status);
    const lost = watching.lost !== undefined || refused || this.#refusals >= MOST_REFUSALS;
    this.#retry(this.#causeOf(end), lost ? () => this.#relist() : () => this.#watch());
  }

  /** Usual after a restart of the server, and nobody's fault. */
  #onExpired(): void {
    const { clock, log } = this.#deps;
    log.debug("the version is forgotten, listing anew", () => ({ what: this.#list.what }));
    if (clock.now() - this.#listedMs >= OLD_LIST_MS) this.#backoff.reset();
    this.#setTimer(this.#backoff.next(), () => this.#relist());
  }

  #ask(
    query: string,
    what: "list" | "watch",
    listener: ConstructorParameters<typeof K8sRequest>[4],
  ): void {
    this.#cancelTimer?.();
    const { path, selector } = this.#list;
    const target = `${path}?${selector}&${query}`;
    this.#request = new K8sRequest(this.#server, target, what, this.#deps.clock, listener);
  }

  #retry(cause: string, again: () => void): void {
    const waitMs = this.#backoff.next();
    this.#setTimer(waitMs, again);
    const kept = this.#state.state === "known";
    if (!this.#failing) {
      const { what } = this.#list;
      this.#deps.log.warn("cannot follow Kubernetes", () => ({ what, cause, kept }));
    }
    this.#failing = true;
    this.#state =
      this.#state.state === "known"
        ? { ...this.#state, failing: cause }
        : { state: "failed", cause };
    this.#changed();
  }

  #recovered(): void {
    if (!this.#failing) return;
    this.#failing = false;
    this.#deps.log.info("Kubernetes can be followed again", () => ({ what: this.#list.what }));
  }

  #tell(): void {
    this.#state = { state: "known", items: this.#items, failing: undefined };
    this.#changed();
  }

  #causeOf(end: ExchangeEnd): string {
    if (end.how === "complete") return "Kubernetes gave an empty answer";
    const { what } = this.#list;
    switch (end.status) {
      case 401:
        return `Kubernetes refuses the token (HTTP status 401) for ${what}`;
      case 403:
        return `Kubernetes does not allow to list and watch ${what} (HTTP status 403)`;
      case 404:
        return `Kubernetes has no ${this.#list.path} (HTTP status 404): it must be 1.21 or newer`;
      default:
        return end.cause;
    }
  }

  #setTimer(delayMs: number, run: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#deps.clock.after(delayMs, run);
  }
}
