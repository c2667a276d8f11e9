// The one spelling of paths, so that equal paths are equal strings.
import { parsePath, printPath } from "../naming/path.ts";

/** A path that was checked before; any other text stays as it is. */
export function canonicalPath(text: string): string {
  const parsed = parsePath(text);
  return parsed.ok ? printPath(parsed.labels) : text;
}

/** The same for a prefix, which may end in `/`. */
export function canonicalPrefix(text: string): string {
  if (text === "/" || !text.endsWith("/")) return canonicalPath(text);
  return `${canonicalPath(text.slice(0, -1))}/`;
}
