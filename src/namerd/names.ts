// What the HTTP API follows: dtabs of namespaces, bound trees, and addresses with their line, each once for all who ask.
import type { NameService } from "../discovery/name-service.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
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

/** Addresses and how the API writes them, made once for all who watch. */
export interface RenderedAddr {
  readonly resolution: Resolution;
  /** JSON and a newline; empty while pending. */
  readonly line: Uint8Array;
}

/** As long as polls are apart, at least by default; as many as namerd kept. */
const KEPT = { idleMs: 120_000, mostIdle: 1_000 };
/** Each leaf of a tree repeats what is left over of the path: trees of longer ones are not kept. */
const MOST_KEPT_LABELS = 32;

const PENDING_ADDR: RenderedAddr = { resolution: { state: "pending" }, line: new Uint8Array() };

/** The names of one namerd. */
export class Names {
  readonly service: NameService;
  readonly #store: DtabStore;
  readonly #dtabs: SharedWatches<Observed<StoredDtab | undefined>>;
  readonly #clock: Clock;
  readonly #trees: SharedWatches<Outcome<BoundTree>>;
  /** Those that are not kept when nobody watches them. */
  readonly #passingTrees: SharedWatches<Outcome<BoundTree>>;
  readonly #addrs: SharedWatches<RenderedAddr>;

  constructor(service: NameService, store: DtabStore, clock: Clock) {
    this.service = service;
    this.#store = store;
    this.#clock = clock;
    const options = { ...KEPT, clock };
    this.#dtabs = new SharedWatches(options);
    this.#trees = new SharedWatches(options);
    this.#passingTrees = new SharedWatches({ clock, idleMs: 0, mostIdle: 0 });
    this.#addrs = new SharedWatches(options);
  }

  /** Follows nothing any more. */
  stop(): void {
    for (const shared of [this.#trees, this.#passingTrees, this.#addrs, this.#dtabs]) shared.stop();
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

  /**
   * What a name is bound to. A tree that is equal to the last is told again only after something else was, and is then the
   * same object.
   */
  tree(question: Question, signal: AbortSignal, report: (tree: Outcome<BoundTree>) => void): void {
    const open = (stop: AbortSignal, tell: (tree: Outcome<BoundTree>) => void): void =>
      this.#openTree(question, stop, tell);
    const isKept = question.dtab.length === 0 && question.path.length <= MOST_KEPT_LABELS;
    const trees = isKept ? this.#trees : this.#passingTrees;
    trees.watch(this.keyOf(question), open, signal, report);
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
    tell: (tree: Outcome<BoundTree>) => void,
  ): void {
    const tellNews = newsOnly(tell);
    let binding: AbortController | undefined;
    let cancel: Cancel | undefined;
    const bind = (observed: Observed<StoredDtab | undefined>): void => {
      const previous = binding;
      binding = new AbortController();
      if (observed.state === "ok") {
        const rules = observed.value?.dtab ?? [];
        // The namespace's own array where nothing is added: the service shares what it makes of an array.
        const all = dtab.length === 0 ? rules : [...rules, ...dtab];
        this.service.bind(all, path, binding.signal, tellNews);
      } else tellNews(observed);
      // Only now, so that sources which both need go on being followed.
      previous?.abort();
    };
    stop.addEventListener(
      "abort",
      () => {
        cancel?.();
        binding?.abort();
      },
      { once: true },
    );
    this.dtab(namespace, stop, (observed) => {
      if (binding === undefined) return bind(observed);
      // Later: a write is answered before all who watch names in its dtab are served.
      cancel?.();
      cancel = this.#clock.after(0, () => bind(observed));
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

/** Tells what is not equal to what was told last. Of equal trees, whatever was told between, the first one is told. */
function newsOnly(tell: (tree: Outcome<BoundTree>) => void): (tree: Outcome<BoundTree>) => void {
  let told: Outcome<BoundTree> | undefined;
  let tree: Extract<Outcome<BoundTree>, { state: "ok" }> | undefined;
  return (outcome) => {
    if (outcome.state === "ok" && !Bun.deepEquals(outcome, tree)) tree = outcome;
    const news = outcome.state === "ok" ? (tree ?? outcome) : outcome;
    if (Bun.deepEquals(news, told)) return;
    told = news;
    tell(news);
  };
}
