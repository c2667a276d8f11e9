// Dtabs and namers for tests of binding, and bound trees in one line.
import { parseDtab } from "../../src/naming/dtab.ts";
import { DtabIndex } from "../../src/naming/dtab-index.ts";
import { type PathLabels, parsePath, printPath } from "../../src/naming/path.ts";
import type { BoundTree, LookupTree, Outcome } from "../../src/naming/tree.ts";
import { lookupUtility } from "../../src/naming/utility-namers.ts";

export function indexOf(dtab: string): DtabIndex {
  const parsed = parseDtab(dtab);
  if (!parsed.ok) throw new Error(parsed.message);
  return new DtabIndex(parsed.dtab);
}

export function labelsOf(path: string): PathLabels {
  const parsed = parsePath(path);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.labels;
}

/**
 * Knows `/#/io.l5d.fs/<name>` for `web`, `w2`, `empty` and `bad`; `later` is pending, `broken` fails with "boom", `!`, `~` and
 * `$` cannot be files. Then come the utility namers.
 */
export function fsNamer(path: PathLabels): Outcome<LookupTree> {
  const [hash, kind, name = "", ...residual] = path;
  if (hash !== "#" || kind !== "io.l5d.fs") {
    return lookupUtility(path) ?? { state: "ok", value: { kind: "neg" } };
  }
  if (name === "later") return { state: "pending" };
  if (name === "broken") return { state: "failed", cause: "boom" };
  if (!["web", "w2", "empty", "bad"].includes(name)) {
    return { state: "ok", value: { kind: "neg" } };
  }
  const bound = { id: printPath(path.slice(0, 3)), residual };
  return { state: "ok", value: { kind: "leaf", value: { kind: "bound", name: bound } } };
}

/** `/#/io.l5d.fs/web + /left/over`, `2 /a & 1 (/b & /c)`, `pending`, `failed: why`. */
export function boundText(outcome: Outcome<BoundTree>): string {
  if (outcome.state === "ok") return treeText(outcome.value);
  return outcome.state === "pending" ? "pending" : `failed: ${outcome.cause}`;
}

function treeText(tree: BoundTree): string {
  switch (tree.kind) {
    case "leaf": {
      const { id, residual } = tree.value;
      return residual.length === 0 ? id : `${id} + ${printPath(residual)}`;
    }
    case "alt":
      return `(${tree.trees.map(treeText).join(" | ")})`;
    case "union":
      return `(${tree.branches.map(({ weight, tree: part }) => `${weight} ${treeText(part)}`).join(" & ")})`;
    case "neg":
      return "~";
    case "fail":
      return "!";
    case "empty":
      return "$";
    default:
      return tree satisfies never;
  }
}
