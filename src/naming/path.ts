// Names as Finagle writes them: `/svc/web`. Reading, printing and comparing; what a name stands for is elsewhere.

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
const PLAIN_RUN = /[0-9A-Za-z_:.#$%-]+/y;
const ESCAPE = /\\x([0-9A-Fa-f]{2})/y;
// Wherever white space may stand, a comment may too; inside a label `#` is an ordinary character.
const SPACE = /(?:[ \t\r\n]|#[^\n]*)*/y;

/**
 * Reads a path: `/`, or labels of `[0-9A-Za-z_:.#$%-]` and `\xHH` with one `/` before each. White space and comments
 * may stand before and after it. An empty label, and so a slash at the end, is an error.
 */
export function parsePath(text: string): ParsedPath {
  let at = skip(SPACE, text, 0);
  if (text[at] !== "/") return failure(text, at, "'/'");
  const labels: string[] = [];
  while (text[at] === "/") {
    const label = readLabel(text, at + 1);
    if ("expected" in label) {
      // "/" on its own is the empty path, so what follows it is the caller's next thing, not half a label.
      if (labels.length === 0 && label.expected === "label char") {
        at += 1;
        break;
      }
      return failure(text, label.at, label.expected);
    }
    labels.push(label.text);
    at = label.end;
  }
  const end = skip(SPACE, text, at);
  return end === text.length ? { ok: true, labels } : failure(text, end, "end of input");
}

/** The one way a path is printed, which `parsePath` reads back: labels with unusual bytes wholly as `\xhh`. */
export function printPath(labels: PathLabels): string {
  return labels.length === 0 ? "/" : labels.map((label) => `/${printLabel(label)}`).join("");
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

type Label =
  | { readonly text: string; readonly end: number }
  | { readonly expected: string; readonly at: number };

function readLabel(text: string, start: number): Label {
  let label = "";
  let at = start;
  for (;;) {
    const plainEnd = skip(PLAIN_RUN, text, at);
    label += text.slice(at, plainEnd);
    at = plainEnd;
    if (text[at] !== "\\") break;
    const end = skip(ESCAPE, text, at);
    if (end === at) return brokenEscape(text, at);
    label += String.fromCharCode(Number.parseInt(text.slice(at + 2, end), 16));
    at = end;
  }
  return at === start ? { expected: "label char", at } : { text: label, end: at };
}

function brokenEscape(text: string, at: number): Label {
  if (text[at + 1] !== "x") return { expected: "'x'", at: at + 1 };
  const firstIsHex = /[0-9A-Fa-f]/.test(text[at + 2] ?? "");
  return { expected: "hex char", at: firstIsHex ? at + 3 : at + 2 };
}

function printLabel(label: string): string {
  if (PLAIN.test(label)) return label;
  return [...label]
    .map((char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`)
    .join("");
}

/** Where a match of the sticky `pattern` at `from` ends; `from` when there is none. */
function skip(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : from;
}

function failure(text: string, at: number, expected: string): ParsedPath {
  const found = text[at];
  const what = found === undefined ? "end of input" : `'${found}'`;
  const place = `${text.slice(0, at)}[${found ?? ""}]${text.slice(at + 1)}`;
  return {
    ok: false,
    column: at + 1,
    message: `${expected} expected but ${what} found at '${place}'`,
  };
}
