// A name service that says what the test says.
import { Audience } from "../../src/discovery/audience.ts";
import type { NameService } from "../../src/discovery/name-service.ts";
import type { DelegateTree } from "../../src/naming/delegate-tree.ts";
import { type PathLabels, printPath } from "../../src/naming/path.ts";
import type { Resolution } from "../../src/naming/resolution.ts";
import type { BoundTree, Outcome } from "../../src/naming/tree.ts";

export class FakeNameService implements NameService {
  readonly #trees = new Map<string, Audience<Outcome<BoundTree>>>();
  readonly #addrs = new Map<string, Audience<Resolution>>();
  /** What `delegate` answers; for ever pending when it is not set. */
  explained: DelegateTree | Error | undefined;

  /** How many watch the tree of a path, or the addresses of an id. */
  watchers(path: string): number {
    return (this.#trees.get(path)?.size ?? 0) + (this.#addrs.get(path)?.size ?? 0);
  }

  tree(path: string, tree: Outcome<BoundTree>): void {
    audience(this.#trees, path).tell(tree);
  }

  /** Binds a path to an id. */
  leaf(path: string, id: string): void {
    const value: BoundTree = { kind: "leaf", value: { id, residual: [] } };
    this.tree(path, { state: "ok", value });
  }

  addr(id: string, resolution: Resolution): void {
    audience(this.#addrs, id).tell(resolution);
  }

  /** The addresses 10.0.0.x:80 of an id. */
  hosts(id: string, ...lastBytes: readonly number[]): void {
    const endpoints = lastBytes.map((byte) => ({ ip: `10.0.0.${byte}`, port: 80, weight: 1 }));
    this.addr(id, { state: "bound", endpoints });
  }

  bind(
    _: unknown,
    path: PathLabels,
    signal: AbortSignal,
    report: (tree: Outcome<BoundTree>) => void,
  ): void {
    audience(this.#trees, printPath(path)).add(signal, report, () => {});
  }

  addresses(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void {
    audience(this.#addrs, printPath(id)).add(signal, report, () => {});
  }

  delegate(): Promise<DelegateTree> {
    const { explained } = this;
    if (explained === undefined) return new Promise(() => {});
    return explained instanceof Error ? Promise.reject(explained) : Promise.resolve(explained);
  }

  names(signal: AbortSignal, report: (ids: readonly string[]) => void): void {
    if (!signal.aborted) queueMicrotask(() => report([]));
  }
}

function audience<T>(all: Map<string, Audience<T>>, key: string): Audience<T> {
  const known = all.get(key) ?? new Audience<T>();
  all.set(key, known);
  return known;
}
