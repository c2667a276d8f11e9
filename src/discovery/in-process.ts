// The interpreter `default`: names are bound in this process, by a dtab and the namers of the configuration.
import { type Dtab, parseDtab } from "../naming/dtab.ts";
import type { Resolution } from "../naming/resolution.ts";
import { branchesOf } from "../naming/split.ts";
import type { BoundTree, Outcome } from "../naming/tree.ts";
import { labelsOf } from "./inet.ts";
import type { Binding, Interpreter } from "./interpreter.ts";
import { tell } from "./leaf-namer.ts";
import type { NameService } from "./name-service.ts";

/** A text that is no path is `neg`, whether it is to be bound or asked for its addresses. */
export class InProcessInterpreter implements Interpreter {
  readonly #service: NameService;
  readonly #dtab: Dtab;

  /** Throws TypeError where `dtabText` is no dtab, which the configuration has made sure of. */
  constructor(service: NameService, dtabText: string) {
    const parsed = parseDtab(dtabText);
    if (!parsed.ok) throw new TypeError(`no dtab: ${parsed.message}`);
    this.#service = service;
    this.#dtab = parsed.dtab;
  }

  bind(path: string, signal: AbortSignal, report: (binding: Binding) => void): void {
    const labels = labelsOf(path);
    if (labels === undefined) return tell({ state: "neg" }, signal, report);
    this.#service.bind(this.#dtab, labels, signal, (tree) => report(bindingOf(tree)));
  }

  addresses(id: string, signal: AbortSignal, report: (resolution: Resolution) => void): void {
    const labels = labelsOf(id);
    if (labels === undefined) return tell({ state: "neg" }, signal, report);
    this.#service.addresses(labels, signal, report);
  }
}

function bindingOf(tree: Outcome<BoundTree>): Binding {
  return tree.state === "ok" ? branchesOf(tree.value) : tree;
}
