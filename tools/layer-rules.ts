// Applies the tables of check-layers.ts to a set of files.
import { cycleFindings, edges, type ImportRules, refusal } from "./layer-imports.ts";
import { type Place, placeFindings } from "./layer-places.ts";
import { lineAt, type MaskedSource, maskSource } from "./mask-source.ts";
import { moduleImports } from "./module-imports.ts";
import { type Finding, isTest } from "./source-tree.ts";

/** Everything that is held against the tree. */
export interface LayerRules extends ImportRules {
  /** For src without its tests; paths begin below src. */
  readonly places: readonly Place[];
  /** For every *.test.ts of the project; paths begin at the root. */
  readonly inTests: readonly Place[];
  /** String literals of this form belong in that file below src. */
  /** `only` is a folder below src. */
  readonly metricNames: { readonly pattern: RegExp; readonly only: string };
}

/** A file of the project. */
export interface SourceFile {
  readonly path: string;
  readonly source: string;
}

/** All that is out of order in `files`. */
export function layerFindings(files: readonly SourceFile[], rules: LayerRules): readonly Finding[] {
  const masked = files.map(({ path, source }) => ({ path, masked: maskSource(source) }));
  const sources = masked.filter(({ path }) => path.startsWith("src/"));
  const crossings = sources
    .filter(({ path }) => !isTest(path))
    .flatMap((file) => edges(file.path, moduleImports(file.masked)));
  return [
    ...sources.flatMap((file) => sourceFindings(file.path, file.masked, rules)),
    ...masked
      .filter(({ path }) => path.endsWith(".test.ts"))
      .flatMap(({ path, masked: code }) =>
        rules.inTests.flatMap((place) => placeFindings(path, code, place)),
      ),
    ...cycleFindings(crossings),
  ];
}

function sourceFindings(path: string, masked: MaskedSource, rules: LayerRules): Finding[] {
  const findings: Finding[] = [];
  if (path.endsWith("/index.ts")) findings.push({ path, message: "a barrel: name the file" });
  for (const imported of moduleImports(masked)) {
    const message = refusal(path, imported, rules);
    if (message !== undefined) findings.push({ path, line: imported.line, message });
  }
  if (isTest(path)) return findings;
  const inside = path.slice("src/".length);
  for (const place of rules.places) {
    const found = placeFindings(inside, masked, place);
    findings.push(...found.map((finding) => ({ ...finding, path })));
  }
  if (inside.startsWith(rules.metricNames.only)) return findings;
  const names = masked.literals.filter(({ text }) => rules.metricNames.pattern.test(text));
  const message = `a metric is named only in ${rules.metricNames.only}`;
  return [
    ...findings,
    ...names.map(({ text, at }) => ({
      path,
      line: lineAt(masked.code, at),
      message: `"${text}": ${message}`,
    })),
  ];
}
