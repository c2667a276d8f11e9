// A source of names for tests: says what it is told to say, and knows who watches.
import type { LeafSource } from "../../src/discovery/namer.ts";
import { printPath, type PathLabels } from "../../src/naming/path.ts";
import type { Resolution } from "../../src/naming/resolution.ts";

/** `bound` to these addresses, written `ip:port`. */
export function boundTo(...addresses: readonly string[]): Resolution {
  return {
    state: "bound",
    endpoints: addresses.map((address) => {
      const [ip = "", port] = address.split(":");
      return { ip, port: Number(port), weight: 1 };
    }),
  };
}

/** Names have one segment. */
export class FakeSource implements LeafSource {
  readonly #otherwise: Resolution | undefined;
  readonly #said = new Map<string, Resolution>();
  readonly #watchers = new Map<string, Set<(answer: Resolution) => void>>();
  /** How many watches were begun so far. */
  begun = 0;

  /** `otherwise` is said of names of which nothing else was; undefined for nothing. */
  constructor(otherwise?: Resolution) {
    this.#otherwise = otherwise;
  }

  /** Says something of a name, to all who watch it and to those who will. */
  say(name: string, answer: Resolution): void {
    this.#said.set(`/${name}`, answer);
    for (const report of this.#watchers.get(`/${name}`) ?? []) report(answer);
  }

  /** How many watch a name now. */
  watching(name: string): number {
    return this.#watchers.get(`/${name}`)?.size ?? 0;
  }

  get watched(): number {
    return this.#watchers.values().reduce((sum, { size }) => sum + size, 0);
  }

  split([name, ...residual]: PathLabels):
    { readonly id: PathLabels; readonly residual: PathLabels } | undefined {
    return name === undefined ? undefined : { id: [name], residual };
  }

  watch(id: PathLabels, signal: AbortSignal, report: (answer: Resolution) => void): void {
    const key = printPath(id);
    this.begun++;
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers);
    watchers.add(report);
    signal.addEventListener("abort", () => watchers.delete(report), { once: true });
    const said = this.#said.get(key) ?? this.#otherwise;
    if (said === undefined) return;
    queueMicrotask(() => {
      if (!signal.aborted) report(said);
    });
  }
}
