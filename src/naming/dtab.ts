// Dtabs: ordered rules that replace the beginning of a path. Reading and printing; looking up is in dtab-index.ts.
import { printLabel } from "./path.ts";
import { type ParseFailure, Scanner } from "./scanner.ts";
import { printTree, readTree } from "./tree-parser.ts";
import type { PathTree } from "./tree.ts";

/** One element of a dentry's prefix: a label, or `*`, which stands for any one label. */
export type PrefixElement =
  { readonly kind: "label"; readonly label: string } | { readonly kind: "any" };

/** `prefix => tree`. */
export interface Dentry {
  readonly prefix: readonly PrefixElement[];
  readonly tree: PathTree;
}

/** In the order in which they are written; the last that matches counts first. */
export type Dtab = readonly Dentry[];

export type ParsedDtab = { readonly ok: true; readonly dtab: Dtab } | ParseFailure;

export type ParsedDentry =
  | { readonly ok: true; readonly dentry: Dentry }
  | (ParseFailure & { readonly part: "prefix" | "dst" });

/**
 * Reads dentries with `;` between them; one more may follow the last. A text of nothing but white space and comments is the
 * empty dtab. Takes time in proportion to the text.
 */
export function parseDtab(text: string): ParsedDtab {
  const scanner = new Scanner(text);
  const dtab: Dentry[] = [];
  do {
    scanner.skipSpace();
    if (scanner.peek() === "") break;
    const dentry = readDentry(scanner);
    if (dentry === undefined) return scanner.failure();
    dtab.push(dentry);
    scanner.skipSpace();
  } while (scanner.eat(";"));
  return scanner.expectEnd("';' or end of input") ? { ok: true, dtab } : scanner.failure();
}

/** Reads a dentry whose two sides come apart, as in namerd's JSON. */
export function parseDentry(prefixText: string, dstText: string): ParsedDentry {
  const prefixScanner = new Scanner(prefixText);
  prefixScanner.skipSpace();
  const prefix = readPrefix(prefixScanner);
  if (prefix === undefined || !prefixScanner.expectEnd()) {
    return { ...prefixScanner.failure(), part: "prefix" };
  }
  const dstScanner = new Scanner(dstText);
  const tree = readTree(dstScanner);
  if (tree === undefined || !dstScanner.expectEnd()) {
    return { ...dstScanner.failure(), part: "dst" };
  }
  return { ok: true, dentry: { prefix, tree } };
}

/** `/svc=>/#/io.l5d.fs;/a=>/b`, as namerd prints it; `parseDtab` reads it back. */
export function printDtab(dtab: Dtab): string {
  return dtab
    .map((dentry) => {
      const { prefix, dst } = printDentryParts(dentry);
      return `${prefix}=>${dst}`;
    })
    .join(";");
}

/** The two sides of a dentry, as namerd's JSON has them; `parseDentry` reads them back. */
export function printDentryParts(dentry: Dentry): {
  readonly prefix: string;
  readonly dst: string;
} {
  const elements = dentry.prefix.map((element) =>
    element.kind === "any" ? "/*" : `/${printLabel(element.label)}`,
  );
  return { prefix: elements.join("") || "/", dst: printTree(dentry.tree) };
}

function readDentry(scanner: Scanner): Dentry | undefined {
  const prefix = readPrefix(scanner);
  if (prefix === undefined) return undefined;
  scanner.skipSpace();
  const tree = scanner.expect("=>") ? readTree(scanner) : undefined;
  return tree && { prefix, tree };
}

function readPrefix(scanner: Scanner): readonly PrefixElement[] | undefined {
  if (!scanner.expect("/")) return undefined;
  const prefix: PrefixElement[] = [];
  if (scanner.peek() !== "*" && !scanner.atLabel()) return prefix;
  do {
    if (scanner.eat("*")) prefix.push({ kind: "any" });
    else {
      const label = scanner.label();
      if (label === undefined) return undefined;
      prefix.push({ kind: "label", label });
    }
  } while (scanner.eat("/"));
  return prefix;
}
