// Patterns of paths with captures: `/#/io.l5d.fs/{service}`, and templates that captures are put into.
import type { PathLabels } from "./path.ts";
import { type ParseFailure, Scanner } from "./scanner.ts";

/** What the names of a pattern stand for in one path: byte strings, perhaps empty. */
export type Captures = ReadonlyMap<string, string>;

/** A part of a segment. */
type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "capture"; readonly name: string };

/** One element between slashes; `any` is `*`. */
type Segment =
  { readonly kind: "any" } | { readonly kind: "parts"; readonly parts: readonly Part[] };

const NAME = /^[A-Za-z0-9_.-]+$/;
const PLACE = /\{([A-Za-z0-9_.-]+)\}/g;

/**
 * A pattern that matches the beginning of paths, segment by segment. `*` is any one segment; `{name}` captures within a
 * segment, as much as it can where there are several, and perhaps nothing; all else stands for itself. `/` matches all.
 *
 * Unlike linkerd's, a segment must match as a whole (`{A}.com` is not in `x.com.evil`), a pattern that is longer than the
 * path does not match whatever it ends in, a name may contain `-`, and a name cannot be used twice.
 */
export class PathMatcher {
  readonly names: readonly string[];
  readonly #segments: readonly Segment[];

  private constructor(segments: readonly Segment[]) {
    this.#segments = segments;
    this.names = segments.flatMap(namesOf);
  }

  /** Reads a pattern; a slash at the end is ignored. */
  static parse(
    pattern: string,
  ): { readonly ok: true; readonly matcher: PathMatcher } | ParseFailure {
    const scanner = new Scanner(pattern);
    const segments = readSegments(scanner, true);
    if (segments === undefined) return scanner.failure();
    const matcher = new PathMatcher(segments);
    const twice = matcher.names.find((name, at) => matcher.names.indexOf(name) < at);
    if (twice === undefined) return { ok: true, matcher };
    scanner.reject(`{${twice}} is there twice`);
    return scanner.failure();
  }

  /** What is captured of `path`; undefined where it does not match. Time in proportion to path and pattern. */
  match(path: PathLabels): Captures | undefined {
    if (path.length < this.#segments.length) return undefined;
    const captures = new Map<string, string>();
    for (const [at, segment] of this.#segments.entries()) {
      if (segment.kind === "any") continue;
      if (!matchParts(segment.parts, path[at] ?? "", captures)) return undefined;
    }
    return captures;
  }
}

/** A path with places for captures, such as `/svc/{service}`. */
export class PathTemplate {
  readonly names: readonly string[];
  readonly #segments: readonly (readonly Part[])[];

  private constructor(segments: readonly (readonly Part[])[]) {
    this.#segments = segments;
    this.names = segments.flatMap((parts) => namesOf({ kind: "parts", parts }));
  }

  /** Reads a template: a path in which labels may contain `{name}`. */
  static parse(
    text: string,
  ): { readonly ok: true; readonly template: PathTemplate } | ParseFailure {
    const scanner = new Scanner(text);
    const segments = readSegments(scanner, false);
    if (segments === undefined) return scanner.failure();
    const parts = segments.flatMap((segment) => (segment.kind === "parts" ? [segment.parts] : []));
    return { ok: true, template: new PathTemplate(parts) };
  }

  /**
   * The path with `captures` in their places. A capture stays within its label, whatever bytes it has. Undefined where a
   * name was not captured or a label would be empty.
   */
  fill(captures: Captures): PathLabels | undefined {
    const labels: string[] = [];
    for (const parts of this.#segments) {
      let label = "";
      for (const part of parts) {
        const text = part.kind === "text" ? part.text : captures.get(part.name);
        if (text === undefined) return undefined;
        label += text;
      }
      if (label === "") return undefined;
      labels.push(label);
    }
    return labels;
  }
}

/** `template` with each `{name}` replaced by what was captured; names that were not captured stay as they are. */
export function substitute(template: string, captures: Captures): string {
  return template.replace(PLACE, (place, name: string) => captures.get(name) ?? place);
}

function readSegments(scanner: Scanner, mayBeAny: boolean): readonly Segment[] | undefined {
  const segments: Segment[] = [];
  if (!scanner.expect("/")) return undefined;
  while (scanner.peek() !== "") {
    const segment: Segment | undefined =
      mayBeAny && scanner.eat("*") ? { kind: "any" } : readParts(scanner);
    if (segment === undefined) return undefined;
    segments.push(segment);
    if (scanner.peek() !== "" && !scanner.expect("/")) return undefined;
  }
  return segments;
}

function readParts(scanner: Scanner): Segment | undefined {
  const parts: Part[] = [];
  while (parts.length === 0 || scanner.peek() === "{" || scanner.atLabel()) {
    const part = readPart(scanner);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return { kind: "parts", parts };
}

function readPart(scanner: Scanner): Part | undefined {
  if (!scanner.eat("{")) {
    const text = scanner.label();
    return text === undefined ? undefined : { kind: "text", text };
  }
  const name = scanner.label();
  if (name === undefined) return undefined;
  if (!NAME.test(name)) return scanner.reject("a name has only letters, digits, `_`, `.` and `-`");
  return scanner.expect("}") ? { kind: "capture", name } : undefined;
}

/**
 * Whether `parts` make up `label`; captures are added to `captures`. The first capture takes as much as it can, then the
 * second, and so on. That is so when every text stands as far right as those to its right allow, so the label is taken
 * apart from its end, and nothing is ever tried twice.
 */
function matchParts(parts: readonly Part[], label: string, captures: Map<string, string>): boolean {
  // Before `end` is what is still to be matched; a capture that is `open` ends there.
  let end = label.length;
  let open: string | undefined;
  for (let at = parts.length - 1; at >= 0; at -= 1) {
    const part = parts[at];
    if (part === undefined) return false;
    if (part.kind === "capture") {
      // Of two captures side by side the first takes all.
      if (open !== undefined) captures.set(open, "");
      open = part.name;
      continue;
    }
    const start = startOf(part.text, label, {
      end,
      isFirst: at === 0,
      mayMove: open !== undefined,
    });
    if (start === undefined) return false;
    if (open !== undefined) captures.set(open, label.slice(start + part.text.length, end));
    open = undefined;
    end = start;
  }
  if (open !== undefined) captures.set(open, label.slice(0, end));
  return open !== undefined || end === 0;
}

/** Where `text` stands in `label` before `end`: at the very start, right at the end, or as far right as it is found. */
function startOf(
  text: string,
  label: string,
  where: { readonly end: number; readonly isFirst: boolean; readonly mayMove: boolean },
): number | undefined {
  const last = where.end - text.length;
  if (last < 0) return undefined;
  if (!where.mayMove) return label.startsWith(text, last) ? last : undefined;
  if (where.isFirst) return label.startsWith(text) ? 0 : undefined;
  const start = label.lastIndexOf(text, last);
  return start < 0 ? undefined : start;
}

function namesOf(segment: Segment): readonly string[] {
  if (segment.kind === "any") return [];
  return segment.parts.flatMap((part) => (part.kind === "capture" ? part.name : []));
}
