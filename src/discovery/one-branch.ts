// Interpreters of sources that give addresses by path, without a dtab between: each path is bound to itself.
import type { Interpreter } from "./interpreter.ts";
import type { Resolver } from "./resolver.ts";

export function oneBranch(resolver: Resolver): Interpreter {
  return {
    bind(path, signal, report) {
      if (!signal.aborted) report({ state: "bound", branches: [{ id: path, weight: 1 }] });
    },
    addresses: (id, signal, report) => resolver.watch(id, signal, report),
  };
}
