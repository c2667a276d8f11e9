// The text of a configuration as data, with the place of every value. YAML, and JSON through the same parser.
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import { type ConfigPath, ProblemList } from "./problems.ts";

/** A document. `raw` is undefined when the text could not be read at all. */
export interface ConfigDocument {
  readonly raw: unknown;
  readonly problems: ProblemList;
}

// One slip can make thousands of followers.
const MOST_FAULTS = 20;

/** Reads the text of `file`, noting errors of syntax, repeated keys and broken aliases. Never throws. */
export function readDocument(text: string, file: string): ConfigDocument {
  try {
    return readParsed(text, file);
  } catch (error) {
    // The parser recurses, so deep nesting exhausts the stack; aliases without an anchor, or too many, throw too.
    const problems = new ProblemList(file, () => ({ line: 1, column: 1 }));
    const reason = error instanceof RangeError ? "it is nested too deeply" : messageOf(error);
    problems.error([], `this cannot be read: ${reason}`);
    return { raw: undefined, problems };
  }
}

function readParsed(text: string, file: string): ConfigDocument {
  const lines = new LineCounter();
  const language = text.trimStart().startsWith("{") ? "JSON" : "YAML";
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    schema: language === "JSON" ? "json" : "core",
    stringKeys: true,
    logLevel: "error",
  });
  let errorAt: number | undefined;
  const problems = new ProblemList(file, (path, what) => {
    const { line, col } = lines.linePos(errorAt ?? offsetOf(document, path, what));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  });
  for (const error of document.errors.filter(({ code }) => code === "DUPLICATE_KEY")) {
    errorAt = error.pos[0];
    problems.keyError(pathAt(document, errorAt), "this key stands here for the second time");
  }
  const faults = faultsOfSyntax(document);
  for (const fault of faults) {
    errorAt = fault.at;
    problems.error([], `this is not valid ${language}: ${fault.message}`);
  }
  let isReadable = faults.length === 0;
  for (const alias of isReadable ? brokenAliases(document) : []) {
    errorAt = startOf(alias);
    problems.error([], `there is no anchor &${alias.source} before this alias`);
    isReadable = false;
  }
  errorAt = undefined;
  return { raw: isReadable ? toPlain(document, problems) : undefined, problems };
}

function brokenAliases(document: Document): readonly Alias[] {
  const broken: Alias[] = [];
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) broken.push(alias);
    },
  });
  return broken;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

interface Fault {
  readonly at: number;
  readonly message: string;
}

/** What makes the text unreadable: a fault for each place, as the parser may say several things of one. */
function faultsOfSyntax(document: Document): readonly Fault[] {
  const faults = new Map<number, Fault>();
  for (const error of [...document.errors, ...document.warnings]) {
    if (error.code === "DUPLICATE_KEY" || faults.size >= MOST_FAULTS) continue;
    const at = error.pos[0];
    faults.set(at, { at, message: syntaxMessage(error) });
  }
  return [...faults.values()];
}

function syntaxMessage(error: YAMLError): string {
  if (error.code === "MULTIPLE_DOCS") return "a second document begins here";
  if (error.code === "NON_STRING_KEY") return "a key must be a text";
  if (error.message.includes("call stack")) return "it is nested too deeply";
  // Some messages quote the text, which may be anything, a private key included.
  const message = error.message
    .replace(/"(?:[^"\\]|\\.)*"?/g, (quoted) => (quoted.length > 40 ? "the text here" : quoted))
    .replace(/flow map/gi, "object")
    .replace(/flow sequence/gi, "list")
    .replace(" in block collection must be sufficiently indented and", " must");
  return message.charAt(0).toLowerCase() + message.slice(1);
}

/** The data of the document, in which nothing is shared: an alias becomes a copy. */
function toPlain(document: Document, problems: ProblemList): unknown {
  const path: (string | number)[] = [];
  const around = new Set<unknown>();
  const copyOf = (step: string | number, item: unknown): unknown => {
    path.push(step);
    const copied = copy(item);
    path.pop();
    return copied;
  };
  const isAllowed = (key: string): boolean => {
    // Libraries pass over this key or trip over it, so it must not get as far as them.
    if (key !== "__proto__") return true;
    problems.keyError([...path, key], "unknown key");
    return false;
  };
  const copy = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (around.has(value)) {
      problems.error([...path], "this alias stands inside the thing it stands for");
      return null;
    }
    around.add(value);
    const copied = Array.isArray(value)
      ? value.map((item, at) => copyOf(at, item))
      : Object.fromEntries(
          Object.entries(value)
            .filter(([key]) => isAllowed(key))
            .map(([key, item]) => [key, copyOf(key, item)]),
        );
    around.delete(value);
    return copied;
  };
  return copy(document.toJS());
}

/** Where in the text the value at `path` begins, or its key; for a thing that is missing, where its parent begins. */
function offsetOf(document: Document, path: ConfigPath, what: "key" | "value"): number {
  let node: unknown = document.contents;
  let keyAt = startOf(node) ?? 0;
  let valueAt = keyAt;
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document);
    const next: { readonly key: unknown; readonly value: unknown } | undefined = childNode(
      node,
      step,
    );
    if (next === undefined) return keyAt;
    keyAt = startOf(next.key) ?? startOf(next.value) ?? keyAt;
    const isEmpty = isScalar(next.value) && next.value.value === null;
    valueAt = (isEmpty ? undefined : startOf(next.value)) ?? keyAt;
    node = next.value;
  }
  return what === "key" ? keyAt : valueAt;
}

function childNode(
  node: unknown,
  step: string | number,
): { readonly key: unknown; readonly value: unknown } | undefined {
  if (isSeq(node) && typeof step === "number") {
    return step < node.items.length ? { key: undefined, value: node.items[step] } : undefined;
  }
  if (!isMap(node)) return undefined;
  return node.items.find((pair) => keyText(pair) === step);
}

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}

/** The path of the pair whose key begins at `offset`. */
function pathAt(document: Document, offset: number): ConfigPath {
  let found: ConfigPath = [];
  visit(document, {
    Pair(_, pair, ancestors) {
      if (startOf(pair.key) !== offset) return undefined;
      found = [...pathOf(ancestors), keyText(pair)];
      return visit.BREAK;
    },
  });
  return found;
}

function pathOf(ancestors: readonly unknown[]): ConfigPath {
  const path: (string | number)[] = [];
  ancestors.forEach((ancestor, at) => {
    const child = ancestors[at + 1];
    if (isSeq(ancestor)) path.push(ancestor.items.indexOf(child));
    else if (isPairOf(ancestor)) path.push(keyText(ancestor));
  });
  return path;
}

function isPairOf(value: unknown): value is Pair {
  return typeof value === "object" && value !== null && "key" in value && "value" in value;
}
