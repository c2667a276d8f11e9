// Dtabs and namers together: binds names and follows what comes of it.
import { explain } from "../naming/delegate.ts";
import type { DelegateTree } from "../naming/delegate-tree.ts";
import type { Dtab } from "../naming/dtab.ts";
import { DtabIndex } from "../naming/dtab-index.ts";
import { type PathLabels, printPath } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { BoundTree, Outcome } from "../naming/tree.ts";
import type { Clock } from "../lib/clock.ts";
import { Audience } from "./audience.ts";
import { tell } from "./leaf-namer.ts";
import { Lookups, type MountedNamer, startsWith } from "./lookups.ts";
import type { NameService } from "./name-service.ts";
import type { Namer } from "./namer.ts";
import { SharedBind } from "./shared-bind.ts";

export interface BinderParts {
  /** In the order of the configuration: of several that fit a path, the last one counts first. */
  readonly namers: readonly MountedNamer[];
  /** The addresses of ids below `/$`. */
  readonly utilities: Pick<Namer, "addresses">;
  readonly clock: Clock;
}

/** A dtab that somebody watches names in. */
interface Known {
  readonly index: DtabIndex;
  /** By printed path. */
  readonly binds: Map<string, SharedBind>;
}

/**
 * Watches of one path share an evaluation as long as they are given the same dtab: the same array, not one that is like
 * it. Watches of namers are shared by the namers, whatever dtab leads to them.
 */
export class Binder implements NameService {
  readonly #parts: BinderParts;
  /** The first that fits counts. */
  readonly #namers: readonly MountedNamer[];
  readonly #dtabs = new WeakMap<Dtab, Known>();
  #names: { readonly audience: Audience<readonly string[]>; readonly stop: () => void } | undefined;

  constructor(parts: BinderParts) {
    this.#parts = parts;
    this.#namers = parts.namers.toReversed();
  }

  /** Reports nothing before something is known: `pending` is never told. */
  bind(
    dtab: Dtab,
    path: PathLabels,
    signal: AbortSignal,
    report: (tree: Outcome<BoundTree>) => void,
  ): void {
    if (signal.aborted) return;
    const { index, binds } = this.#known(dtab);
    const key = printPath(path);
    const bind = binds.get(key) ?? new SharedBind(path, index, this.#namers, this.#parts.clock);
    binds.set(key, bind);
    bind.audience.add(signal, report, () => {
      if (bind.audience.size > 0) return;
      bind.stop();
      binds.delete(key);
    });
  }

  addresses(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void {
    if (signal.aborted) return;
    const bare = withoutTransformers(id);
    const fitting = this.#namers.filter(({ prefix }) => startsWith(bare, prefix));
    const [only] = fitting;
    if (fitting.length > 1) return firstThatKnows(fitting, bare, signal, report);
    if (only !== undefined) {
      return only.namer.addresses(bare.slice(only.prefix.length), signal, report);
    }
    if (bare[0] === "$") return this.#parts.utilities.addresses(bare.slice(1), signal, report);
    tell({ state: "neg" }, signal, report);
  }

  delegate(dtab: Dtab, path: PathLabels, timeoutMs: number): Promise<DelegateTree> {
    const { index } = this.#known(dtab);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel();
        lookups.stop();
      };
      const evaluate = (): void => {
        const tree = lookups.during((lookup) => explain(path, index, lookup));
        if (tree.state === "pending") return;
        end();
        if (tree.state === "ok") resolve(tree.value);
        else reject(new Error(tree.cause));
      };
      const lookups = new Lookups(this.#namers, this.#parts.clock, evaluate);
      const cancel = this.#parts.clock.after(timeoutMs, () => {
        end();
        reject(new Error("Request timed out."));
      });
      evaluate();
    });
  }

  /** Reports once all namers that can list their names have done so. */
  names(signal: AbortSignal, report: (ids: readonly string[]) => void): void {
    if (signal.aborted) return;
    const names = (this.#names ??= mergedNames(this.#parts.namers));
    names.audience.add(signal, report, () => {
      if (names.audience.size > 0) return;
      names.stop();
      this.#names = undefined;
    });
  }

  #known(dtab: Dtab): Known {
    const known = this.#dtabs.get(dtab) ?? { index: new DtabIndex(dtab), binds: new Map() };
    this.#dtabs.set(dtab, known);
    return known;
  }
}

/** Without what linkerd's transformers put before an id: `/%/io.l5d.port/80/#/io.l5d.fs/web` is `/#/io.l5d.fs/web`. */
function withoutTransformers(id: PathLabels): PathLabels {
  if (id[0] !== "%") return id;
  const from = id.findIndex((label) => label === "#" || label === "$");
  return from < 0 ? [] : id.slice(from);
}

/** Where prefixes overlap, an id is the first namer's that has it. */
function firstThatKnows(
  namers: readonly MountedNamer[],
  id: PathLabels,
  signal: AbortSignal,
  report: (answer: Resolution) => void,
): void {
  const answers: (Resolution | undefined)[] = namers.map(() => undefined);
  const tellFirst = (): void => {
    for (const answer of answers) {
      if (answer === undefined) return;
      if (answer.state !== "neg") return report(answer);
    }
    report({ state: "neg" });
  };
  for (const [index, { prefix, namer }] of namers.entries()) {
    namer.addresses(id.slice(prefix.length), signal, (answer) => {
      answers[index] = answer;
      tellFirst();
    });
  }
}

function mergedNames(namers: readonly MountedNamer[]): {
  readonly audience: Audience<readonly string[]>;
  readonly stop: () => void;
} {
  const audience = new Audience<readonly string[]>();
  const abort = new AbortController();
  const lists = new Map<Namer, readonly string[] | undefined>();
  let told: readonly string[] | undefined;
  const merge = (): void => {
    const known = [...lists.values()];
    if (known.includes(undefined)) return;
    const all = [...new Set(known.flatMap((ids) => ids ?? []))].sort();
    if (told !== undefined && Bun.deepEquals(told, all)) return;
    told = all;
    audience.tell(all);
  };
  for (const { namer } of namers) if (namer.names !== undefined) lists.set(namer, undefined);
  for (const namer of lists.keys()) {
    namer.names?.(abort.signal, (ids) => {
      lists.set(namer, ids);
      merge();
    });
  }
  if (lists.size === 0) merge();
  return { audience, stop: () => abort.abort() };
}
