// Finds what a TypeScript file imports, type-only imports and re-exports included.
import { lineAt, type MaskedSource } from "./mask-source.ts";

/** One `import`, `export … from` or `import()`. */
export interface ModuleImport {
  readonly specifier: string;
  /** Whether it vanishes when types are stripped: `import type`, or an `import()` that is a type. */
  readonly typeOnly: boolean;
  readonly line: number;
}

const STATIC =
  /(?<![\w$.])(?:import|export)\b(\s+type\b(?!\s*(?:from\b|,)))?[\w$*\s{},]*?(?<=\bfrom\s*|\bimport\s*)["']/g;
const DYNAMIC = /(?<![\w$.])(typeof\s+)?import\s*\(\s*["'`]/g;

/** The imports of a file, in the order of its text; those of one kind after those of the other. */
export function moduleImports({ code, literals }: MaskedSource): readonly ModuleImport[] {
  const texts = new Map(literals.map(({ text, at }) => [at, text]));
  return [STATIC, DYNAMIC].flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => ({
      specifier: texts.get(match.index + match[0].length) ?? "",
      typeOnly: match[1] !== undefined,
      line: lineAt(code, match.index),
    })),
  );
}
