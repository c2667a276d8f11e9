// Trees as text: `1 * /a & 3 * /b | /c`. Reading, and printing so that reading gives the same tree again.
import { type PathLabels, printPath, readPath } from "./path.ts";
import { type ParseFailure, Scanner } from "./scanner.ts";
import type { PathTree, Weighted } from "./tree.ts";

export type ParsedTree = { readonly ok: true; readonly tree: PathTree } | ParseFailure;

/** Parentheses within parentheses: what people write has two or three, and each level takes stack. */
const MAX_NESTING = 100;

/**
 * Reads a tree. `|` (first that exists) binds weakest, then `&` (split), then `weight *`; parentheses group. An alternation
 * or a union of one is that one, without its weight. White space and comments may stand around every token.
 */
export function parseTree(text: string): ParsedTree {
  const scanner = new Scanner(text);
  const tree = readTree(scanner);
  return tree !== undefined && scanner.expectEnd() ? { ok: true, tree } : scanner.failure();
}

/** Reads a tree that begins where the scanner stands; undefined where the scanner has failed. */
export function readTree(scanner: Scanner, nesting = 0): PathTree | undefined {
  const trees: PathTree[] = [];
  do {
    const tree = readUnion(scanner, nesting);
    if (tree === undefined) return undefined;
    trees.push(tree);
  } while (scanner.eat("|"));
  const [only] = trees;
  return only !== undefined && trees.length === 1 ? only : { kind: "alt", trees };
}

/**
 * The text of a tree. What `parseTree` gives is printed so that it gives the same again; an alternation or union of none
 * is `~`, and one of a single tree is that tree.
 */
export function printTree(tree: PathTree): string {
  switch (tree.kind) {
    case "leaf":
      return printPath(tree.value);
    case "neg":
      return "~";
    case "fail":
      return "!";
    case "empty":
      return "$";
    case "alt":
      return printAlt(tree.trees);
    case "union":
      return printUnion(tree.branches);
    default:
      return tree satisfies never;
  }
}

function readUnion(scanner: Scanner, nesting: number): PathTree | undefined {
  const branches: Weighted<PathLabels>[] = [];
  do {
    scanner.skipSpace();
    const weight = readWeight(scanner);
    const tree = weight === undefined ? undefined : readSimple(scanner, nesting);
    if (weight === undefined || tree === undefined) return undefined;
    branches.push({ weight, tree });
    scanner.skipSpace();
  } while (scanner.eat("&"));
  const [only] = branches;
  return only !== undefined && branches.length === 1 ? only.tree : { kind: "union", branches };
}

function readWeight(scanner: Scanner): number | undefined {
  const weight = scanner.number();
  if (weight === undefined) return scanner.failed ? undefined : 1;
  if (!Number.isFinite(weight)) return scanner.reject("the weight is too large");
  scanner.skipSpace();
  if (!scanner.expect("*")) return undefined;
  scanner.skipSpace();
  return weight;
}

function readSimple(scanner: Scanner, nesting: number): PathTree | undefined {
  if (scanner.peek() === "/") {
    const value = readPath(scanner);
    return value && { kind: "leaf", value };
  }
  if (scanner.eat("!")) return { kind: "fail" };
  if (scanner.eat("~")) return { kind: "neg" };
  if (scanner.eat("$")) return { kind: "empty" };
  // Finagle's word for what may stand here: a path, `!`, `~`, `$` or a group.
  if (scanner.peek() !== "(") return scanner.fail("a path, ~, !, $ or (");
  if (nesting === MAX_NESTING) {
    return scanner.reject(`more than ${MAX_NESTING} parentheses within each other`);
  }
  scanner.eat("(");
  const tree = readTree(scanner, nesting + 1);
  return tree !== undefined && scanner.expect(")") ? tree : undefined;
}

function printAlt(trees: readonly PathTree[]): string {
  const [only] = trees;
  if (only === undefined || trees.length === 1) return only ? printTree(only) : "~";
  return trees.map((tree) => printOperand(tree, tree.kind === "alt")).join(" | ");
}

function printUnion(branches: readonly Weighted<PathLabels>[]): string {
  const [only] = branches;
  if (only === undefined || branches.length === 1) return only ? printTree(only.tree) : "~";
  return branches
    .map(({ weight, tree }) => {
      const isGroup = tree.kind === "alt" || tree.kind === "union";
      return `${printWeight(weight)}${printOperand(tree, isGroup)}`;
    })
    .join(" & ");
}

function printOperand(tree: PathTree, inParentheses: boolean): string {
  return inParentheses ? `(${printTree(tree)})` : printTree(tree);
}

/** As Finagle prints it, with two decimals, where that is the whole weight; otherwise with all its digits. */
function printWeight(weight: number): string {
  if (weight === 1) return "";
  const rounded = weight.toFixed(2);
  const isWhole = Number(rounded) === weight && !rounded.includes("e");
  return `${isWhole ? rounded : allDigits(weight)}*`;
}

/** The decimal digits of a positive number, without the exponent that the grammar does not know. */
function allDigits(value: number): string {
  const [digits = "", exponent] = String(value).split("e");
  if (exponent === undefined) return digits;
  const [whole = "", fraction = ""] = digits.split(".");
  const shift = Number(exponent);
  if (shift < 0) return `0.${"0".repeat(-shift - 1)}${whole}${fraction}`;
  return `${whole}${fraction}${"0".repeat(shift - fraction.length)}`;
}
