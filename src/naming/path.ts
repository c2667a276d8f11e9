// Names as Finagle writes them: `/svc/web`. Reading, printing and comparing; what a name stands for is elsewhere.
import { Scanner } from "./scanner.ts";

/**
 * The segments of a path, none of them empty. A segment is a string of bytes: each character stands for one
 * (U+0000 to U+00FF), so that segments compare with `===`. The empty list is the path `/`.
 */
export type PathLabels = readonly string[];

export type ParsedPath =
  | { readonly ok: true; readonly labels: PathLabels }
  | {
      readonly ok: false;
      /** Where the text goes wrong, from 1. */
      readonly column: number;
      /** One sentence that shows the place: `'/' expected but 'i' found at '[i]nvalid'`. */
      readonly message: string;
    };

const PLAIN = /^[0-9A-Za-z_:.#$%-]+$/;

/**
 * Reads a path: `/`, or labels of `[0-9A-Za-z_:.#$%-]` and `\xHH` with one `/` before each. White space and comments
 * may stand before and after it. An empty label, and so a slash at the end, is an error.
 */
export function parsePath(text: string): ParsedPath {
  const scanner = new Scanner(text);
  scanner.skipSpace();
  const labels = readPath(scanner);
  if (labels !== undefined && scanner.expectEnd()) return { ok: true, labels };
  return { ok: false, column: scanner.offset + 1, message: scanner.failure().message };
}

/** Reads a path that begins where the scanner stands; undefined where the scanner has failed. */
export function readPath(scanner: Scanner): PathLabels | undefined {
  if (!scanner.expect("/")) return undefined;
  const labels: string[] = [];
  // "/" on its own is the empty path, so what follows it is the caller's next thing, not half a label.
  if (!scanner.atLabel()) return labels;
  do {
    const label = scanner.label();
    if (label === undefined) return undefined;
    labels.push(label);
  } while (scanner.eat("/"));
  return labels;
}

/** The one way a path is printed, which `parsePath` reads back: labels with unusual bytes wholly as `\xhh`. */
export function printPath(labels: PathLabels): string {
  return labels.length === 0 ? "/" : labels.map((label) => `/${printLabel(label)}`).join("");
}

/** A label as it stands in a path. */
export function printLabel(label: string): string {
  if (PLAIN.test(label)) return label;
  return [...label]
    .map((char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`)
    .join("");
}

/**
 * Whether `path` is `prefix` or lies below it, segment by segment: `/svc` covers `/svc/a` but not `/svcs`, and `/`
 * covers everything. Both as `printPath` prints them, except that a prefix may end in `/`, which leaves out the prefix
 * itself: `/svc/` covers `/svc/a` but not `/svc`.
 */
export function pathStartsWith(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || prefix.endsWith("/") || path[prefix.length] === "/";
}
