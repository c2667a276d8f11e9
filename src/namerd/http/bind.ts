// `/bind`: what a name is bound to, with the addresses of each leaf.
import { renderBound } from "../../naming/namerd-json.ts";
import type { Resolution } from "../../naming/resolution.ts";
import type { BoundTree, Outcome } from "../../naming/tree.ts";
import { idLabels, lineOf, type Names, type Question } from "../names.ts";
import { SharedWatches } from "../shared-watches.ts";
import type { Clock } from "../../lib/clock.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  type LineSink,
  SourceFailure,
  TOO_LONG,
  whole,
} from "./exchange.ts";
import { firstOf } from "./first.ts";
import { readDtabParam, readPathParam } from "./question.ts";

/** A tree whose leaves all have addresses. */
interface BoundAnswer {
  /** Equal trees one after another are the same one. */
  readonly tree: BoundTree;
  /** The line with the addresses of now, made when it is asked for; undefined where it would be too long. */
  readonly line: () => Uint8Array | undefined;
}

/** Bound names with their addresses, each followed once for all who ask. */
export class BoundNames {
  readonly #names: Names;
  readonly #answers: SharedWatches<Outcome<BoundAnswer>>;

  constructor(names: Names, clock: Clock) {
    this.#names = names;
    // What is beneath is kept by `Names`; this is made again in no time.
    this.#answers = new SharedWatches({ clock, idleMs: 0, mostIdle: 0 });
  }

  stop(): void {
    this.#answers.stop();
  }

  /** Answers `/bind/<ns>`. */
  async bind(request: ApiRequest, namespace: string): Promise<ApiAnswer> {
    const path = readPathParam(request.params);
    if (!path.ok) return path.answer;
    const dtab = readDtabParam(request.params);
    if (!dtab.ok) return dtab.answer;
    const question: Question = { namespace, dtab: dtab.value, path: path.value };
    const { signal } = request;
    if (request.params.flag("watch")) {
      const follow = (sink: LineSink): void => this.#follow(question, signal, sink);
      return { kind: "watch", headers: {}, follow };
    }
    const answer = await firstOf(
      signal,
      (stop, report: (answer: Outcome<BoundAnswer>) => void) => this.#watch(question, stop, report),
      (outcome) => {
        if (outcome.state === "failed") throw new SourceFailure(outcome.cause);
        return outcome.state === "ok" ? outcome.value : undefined;
      },
    );
    const line = answer.line();
    return line === undefined ? whole(500, `${TOO_LONG}\n`) : whole(200, line);
  }

  /** A line for each new tree: that its addresses change is for those to know who watch `/addr`. */
  #follow(question: Question, signal: AbortSignal, sink: LineSink): void {
    let sent: BoundTree | undefined;
    this.#watch(question, signal, (outcome) => {
      if (outcome.state === "failed") return sink.end(outcome.cause);
      if (outcome.state === "pending" || outcome.value.tree === sent) return;
      sent = outcome.value.tree;
      const line = outcome.value.line();
      if (line === undefined) sink.end(TOO_LONG);
      else sink.send(line);
    });
  }

  #watch(
    question: Question,
    signal: AbortSignal,
    report: (answer: Outcome<BoundAnswer>) => void,
  ): void {
    const key = this.#names.keyOf(question);
    this.#answers.watch(key, (stop, tell) => this.#open(question, stop, tell), signal, report);
  }

  #open(question: Question, stop: AbortSignal, tell: (answer: Outcome<BoundAnswer>) => void): void {
    let leaves: AbortController | undefined;
    stop.addEventListener("abort", () => leaves?.abort(), { once: true });
    this.#names.tree(question, stop, (outcome) => {
      const previous = leaves;
      leaves = new AbortController();
      if (outcome.state === "ok") this.#openLeaves(outcome.value, leaves.signal, tell);
      else tell(outcome);
      previous?.abort();
    });
  }

  #openLeaves(
    tree: BoundTree,
    stop: AbortSignal,
    tell: (answer: Outcome<BoundAnswer>) => void,
  ): void {
    const addrs = new Map<string, Resolution>();
    let line: Uint8Array | undefined;
    let told = false;
    const addrOf = (id: string): Resolution => addrs.get(id) ?? { state: "pending" };
    const render = (): Uint8Array | undefined => {
      const text = renderBound(tree, addrOf);
      return text === undefined ? undefined : lineOf(text);
    };
    const answer: BoundAnswer = { tree, line: () => (line ??= render()) };
    const ids = idsOf(tree);
    const tellOnce = (): void => {
      if (told || addrs.size < ids.size) return;
      told = true;
      tell({ state: "ok", value: answer });
    };
    if (ids.size > 0) tell({ state: "pending" });
    for (const id of ids) {
      this.#names.addr(idLabels(id), stop, ({ resolution }) => {
        if (resolution.state === "pending") return;
        addrs.set(id, resolution);
        line = undefined;
        tellOnce();
      });
    }
    tellOnce();
  }
}

/** The ids at the leaves of a tree, each once. */
function idsOf(tree: BoundTree): ReadonlySet<string> {
  switch (tree.kind) {
    case "leaf":
      return new Set([tree.value.id]);
    case "alt":
      return new Set(tree.trees.flatMap((part) => [...idsOf(part)]));
    case "union":
      return new Set(tree.branches.flatMap(({ tree: part }) => [...idsOf(part)]));
    case "neg":
    case "fail":
    case "empty":
      return new Set();
    default:
      return tree satisfies never;
  }
}
