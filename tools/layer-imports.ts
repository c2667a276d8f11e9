// Judges imports between the folders of src, and looks for cycles among them.
import { isIn } from "./layer-places.ts";
import type { ModuleImport } from "./module-imports.ts";
import { type Finding, isTest } from "./source-tree.ts";

/** A folder → what it may import: `lib` a folder, `lib:types` only with `import type`, `lib/rng.ts` one file. */
export type LayerTable = Readonly<Record<string, readonly string[]>>;

/** What imports are held against. */
export interface ImportRules {
  readonly mayImport: LayerTable;
  /** Folders outside src, with a final slash, for tests alone. */
  readonly testsMayImport: readonly string[];
  /** Packages for all of src, and for tests alone. */
  readonly packages: readonly string[];
  readonly testPackages: readonly string[];
}

/** One import between two folders of src. */
export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly path: string;
}

const SRC = "src/";

/** The layer of a path below src: its folder, or `main` for src/main.ts. */
export function layerOf(path: string): string {
  const inside = path.slice(SRC.length);
  return inside.includes("/") ? inside.slice(0, inside.indexOf("/")) : inside.replace(/\.ts$/, "");
}

/** Why `path`, a file below src, may not import this; undefined when it may. */
export function refusal(
  path: string,
  imported: ModuleImport,
  rules: ImportRules,
): string | undefined {
  const { specifier } = imported;
  if (!specifier.startsWith(".")) return packageRefusal(path, specifier, rules);
  const target = resolve(path, specifier);
  const name = target.slice(target.lastIndexOf("/") + 1);
  if (!name.includes(".")) return `"${specifier}" names a folder or lacks its extension`;
  if (/^index\.[cm]?[jt]s$/.test(name)) return `"${specifier}" is a barrel`;
  if (!isTest(path) && isTest(target)) return `"${specifier}" is a test`;
  if (isTest(path) && isIn(target, rules.testsMayImport)) return undefined;
  // The version of the program is told there and nowhere else.
  if (target === "package.json") return undefined;
  if (!target.startsWith(SRC)) return `"${specifier}" is outside src`;
  return layerRefusal(path, target, imported, rules);
}

/** The imports of `path` that cross from one folder of src to another. */
export function edges(path: string, imports: readonly ModuleImport[]): readonly Edge[] {
  const from = layerOf(path);
  return imports
    .filter(({ specifier }) => specifier.startsWith("."))
    .map(({ specifier }) => resolve(path, specifier))
    .filter((target) => target.startsWith(SRC) && layerOf(target) !== from)
    .map((target) => ({ from, to: layerOf(target), path }));
}

/** One finding for each edge that closes a cycle of folders. */
export function cycleFindings(all: readonly Edge[]): readonly Finding[] {
  const next = Map.groupBy(all, ({ from }) => from);
  const done = new Set<string>();
  const findings: Finding[] = [];
  const visit = (layer: string, trail: readonly string[]): void => {
    if (done.has(layer)) return;
    const way = [...trail, layer];
    for (const { to, path } of next.get(layer) ?? []) {
      const back = way.indexOf(to);
      if (back === -1) visit(to, way);
      else findings.push({ path, message: `cycle: ${[...way.slice(back), to].join(" → ")}` });
    }
    done.add(layer);
  };
  for (const layer of next.keys()) visit(layer, []);
  return findings;
}

function layerRefusal(
  path: string,
  target: string,
  imported: ModuleImport,
  { mayImport }: ImportRules,
): string | undefined {
  const [from, to] = [layerOf(path), layerOf(target)];
  const row = mayImport[from];
  if (row === undefined) return `${from} has no row in MAY_IMPORT`;
  if (from === to || row.includes(to) || row.includes(target.slice(SRC.length))) return undefined;
  if (!row.includes(`${to}:types`)) return `${from} may not import ${target.slice(SRC.length)}`;
  // A test may build the real thing where the code only knows its type.
  if (imported.typeOnly || isTest(path)) return undefined;
  return `${from} may import only types of ${to}, with "import type"`;
}

function packageRefusal(
  path: string,
  specifier: string,
  { packages, testPackages }: ImportRules,
): string | undefined {
  if (/^(?:node|bun):/.test(specifier) && specifier !== "bun:test") return undefined;
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  if (packages.includes(name)) return undefined;
  if (!testPackages.includes(name)) return `"${name}" is no dependency of the program`;
  return isTest(path) ? undefined : `"${name}" is for tests`;
}

function resolve(path: string, specifier: string): string {
  return new URL(specifier, `file:///${path}`).pathname.slice(1);
}
