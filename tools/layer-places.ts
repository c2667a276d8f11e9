// Finds uses of a global, an expression or a module outside the files where it may be used.
import { lineAt, type MaskedSource } from "./mask-source.ts";
import { moduleImports } from "./module-imports.ts";
import type { Finding } from "./source-tree.ts";

/** Something that only some files may use. */
export interface Place {
  /** Why, for the message. */
  readonly why: string;
  /** Names as they are written: `Date`, `Math.random`, `process.`, `sleep(`, `new Worker`. */
  readonly names: readonly string[];
  /** Modules that give the same. */
  readonly modules?: readonly string[];
  /** Files, and folders with a final slash, that may. */
  readonly only?: readonly string[];
  /** When given, the rule holds for these alone. */
  readonly within?: readonly string[];
}

/** Whether `path` is one of `places`, or in one of them. */
export function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith("/") ? path.startsWith(place) : path === place));
}

/** The uses of `place` in a file that may not. `path` is as the rule spells paths. */
export function placeFindings(path: string, masked: MaskedSource, place: Place): Finding[] {
  if (place.within !== undefined && !isIn(path, place.within)) return [];
  if (isIn(path, place.only ?? [])) return [];
  const names = place.names.flatMap((name) =>
    [...masked.code.matchAll(namePattern(name))].map(({ index }) => ({
      path,
      line: lineAt(masked.code, index),
      message: `${name} is refused here: ${place.why}`,
    })),
  );
  const modules = moduleImports(masked)
    .filter(({ specifier }) => place.modules?.includes(specifier))
    .map(({ specifier, line }) => ({
      path,
      line,
      message: `"${specifier}" is refused here: ${place.why}`,
    }));
  return [...names, ...modules];
}

// A whole word that is no member of something else; `globalThis.x` and `...x` are the global all the same.
function namePattern(name: string): RegExp {
  const spelled = name
    .split(/(\W)/)
    .filter((part) => part.trim() !== "")
    .map((part) => RegExp.escape(part))
    .join("\\s*");
  const start = String.raw`(?<![\w$#])(?<!(?<!\.\.)\.\s*)(?:globalThis\s*\.\s*)?`;
  return new RegExp(`${start}${spelled}${/\w$/.test(name) ? "(?![\\w$])" : ""}`, "g");
}
