// What the HTTP API follows: dtabs of namespaces, bound trees, and addresses with their line, each once for all who ask.
import type { NameService } from "../discovery/name-service.ts";
import type { Clock } from "../lib/clock.ts";
import { type Dtab, printDtab } from "../naming/dtab.ts";
import { renderAddr } from "../naming/namerd-json.ts";
import { type PathLabels, parsePath, printPath } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { BoundTree, Outcome } from "../naming/tree.ts";
import { SharedWatches } from "./shared-watches.ts";
import type { DtabStore, Observed, StoredDtab } from "./store.ts";

/** What is asked for: a name in a namespace, perhaps with rules of the request's own behind the namespace's. */
export interface Question {
  readonly namespace: string;
  readonly dtab: Dtab;
  readonly path: PathLabels;
}

/** A bound tree, and a text that is equal for equal trees. */
export interface KeyedTree {
  readonly tree: BoundTree;
  readonly key: string;
}

/** Addresses and how the API writes them, made once for all who watch. */
export interface RenderedAddr {
  readonly resolution: Resolution;
  /** JSON and a newline; empty while pending. */
  readonly line: Uint8Array;
}

/** As long as polls are apart, at least by default; as many as namerd kept. */
const KEPT = { idleMs: 120_000, mostIdle: 1_000 };

const PENDING_ADDR: RenderedAddr = { resolution: { state: "pending" }, line: new Uint8Array() };

/** The names of one namerd. */
export class Names {
  readonly service: NameService;
  readonly #store: DtabStore;
  readonly #dtabs: SharedWatches<Observed<StoredDtab | undefined>>;
  readonly #trees: SharedWatches<Outcome<KeyedTree>>;
  readonly #addrs: SharedWatches<RenderedAddr>;

  constructor(service: NameService, store: DtabStore, clock: Clock) {
    this.service = service;
    this.#store = store;
    const options = { ...KEPT, clock };
    this.#dtabs = new SharedWatches(options);
    this.#trees = new SharedWatches(options);
    this.#addrs = new SharedWatches(options);
  }

  /** Follows nothing any more. */
  stop(): void {
    for (const shared of [this.#trees, this.#addrs, this.#dtabs]) shared.stop();
  }

  /** The dtab of a namespace; one that does not exist has none. */
  dtab(
    namespace: string,
    signal: AbortSignal,
    report: (dtab: Observed<StoredDtab | undefined>) => void,
  ): void {
    this.#dtabs.watch(
      namespace,
      (stop, tell) => this.#store.observe(namespace, stop, tell),
      signal,
      report,
    );
  }

  /** What a name is bound to. A tree that is equal to the last is told again only after something else was. */
  tree(question: Question, signal: AbortSignal, report: (tree: Outcome<KeyedTree>) => void): void {
    const open = (stop: AbortSignal, tell: (tree: Outcome<KeyedTree>) => void): void =>
      this.#openTree(question, stop, tell);
    this.#trees.watch(this.keyOf(question), open, signal, report);
  }

  /** Equal texts for equal questions: neither a printed path nor a printed dtab has a line break in it. */
  keyOf({ namespace, dtab, path }: Question): string {
    return `${printPath(path)}\n${printDtab(dtab)}\n${namespace}`;
  }

  /** The addresses of a bound id. */
  addr(id: PathLabels, signal: AbortSignal, report: (addr: RenderedAddr) => void): void {
    this.#addrs.watch(
      printPath(id),
      (stop, tell) => this.#openAddr(id, stop, tell),
      signal,
      report,
    );
  }

  #openTree(
    { namespace, dtab, path }: Question,
    stop: AbortSignal,
    tell: (tree: Outcome<KeyedTree>) => void,
  ): void {
    let binding = new AbortController();
    let told: string | undefined;
    const tellOnce = (outcome: Outcome<KeyedTree>): void => {
      const text = outcome.state === "ok" ? outcome.value.key : JSON.stringify(outcome);
      if (text === told) return;
      told = text;
      tell(outcome);
    };
    stop.addEventListener("abort", () => binding.abort(), { once: true });
    this.dtab(namespace, stop, (observed) => {
      const previous = binding;
      binding = new AbortController();
      if (observed.state === "ok") {
        const rules = observed.value?.dtab ?? [];
        // The namespace's own array where nothing is added: the service shares what it makes of an array.
        const all = dtab.length === 0 ? rules : [...rules, ...dtab];
        this.service.bind(all, path, binding.signal, (outcome) => tellOnce(withKey(outcome)));
      } else tellOnce(observed);
      // Only now, so that sources which both need go on being followed.
      previous.abort();
    });
  }

  #openAddr(id: PathLabels, stop: AbortSignal, tell: (addr: RenderedAddr) => void): void {
    let told: string | undefined;
    this.service.addresses(id, stop, (resolution) => {
      const text = renderAddr(resolution);
      if (text === told) return;
      told = text;
      if (resolution.state === "pending") return tell(PENDING_ADDR);
      tell({ resolution, line: lineOf(text) });
    });
  }
}

/** A text as a line of an answer. */
export function lineOf(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\n`);
}

/** The labels of an id that a namer gave. */
export function idLabels(id: string): PathLabels {
  const parsed = parsePath(id);
  return parsed.ok ? parsed.labels : [];
}

function withKey(outcome: Outcome<BoundTree>): Outcome<KeyedTree> {
  if (outcome.state !== "ok") return outcome;
  return { state: "ok", value: { tree: outcome.value, key: JSON.stringify(outcome.value) } };
}
