// Finds the functions of a TypeScript file and how many lines each takes, by matching brackets.
// An approximation: a function type that ends in an object type counts too, `a => {` without brackets does not.
import { lineAt } from "./mask-source.ts";

/** A function with a body in braces; from its name or first bracket to its last brace. */
export interface FunctionSize {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

// What stands before a bracket that holds no parameters.
const STATEMENTS = new Set(["if", "for", "while", "switch", "catch", "with", "return", "await"]);
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
const HEAD = /(?:([\w$#]+)\s*)?(?:<[^()<>]*>\s*)?\(/g;

/** The functions in `code`, which must be masked (mask-source.ts), in the order of their heads. */
export function functionSizes(code: string): readonly FunctionSize[] {
  const found: FunctionSize[] = [];
  const add = (name: string, start: number, brace: number): void => {
    const line = lineAt(code, start);
    found.push({ name, line, lines: lineAt(code, closing(code, brace)) - line + 1 });
  };
  for (const match of code.matchAll(HEAD)) {
    const name = match[1] ?? "";
    if (STATEMENTS.has(name)) continue;
    const brace = bodyAfter(code, closing(code, match.index + match[0].length - 1) + 1);
    if (brace !== undefined) add(nameOf(code, match.index, name), match.index, brace);
  }
  return found.sort((a, b) => a.line - b.line);
}

// Where the body begins, from just after the parameters: past `=>` and past a return type.
function bodyAfter(code: string, from: number): number | undefined {
  let at = skipSpace(code, from);
  if (code[at] === ":") at = skipType(code, at + 1);
  if (code.startsWith("=>", at)) at = skipSpace(code, at + 2);
  return code[at] === "{" ? at : undefined;
}

// A brace belongs to a type after a colon, an operator or an opening bracket; elsewhere it begins the body.
function skipType(code: string, from: number): number {
  let last = ":";
  for (let at = skipSpace(code, from); at < code.length; at = skipSpace(code, at)) {
    const character = code.charAt(at);
    if (character === "{" && !/[:|&<,(?]|=>|\bis\b|\bkeyof\b|\bextends\b/.test(last)) return at;
    if (character in CLOSING) {
      at = closing(code, at) + 1;
      last = "a type";
      continue;
    }
    if (/[;)\]}]|=(?!>)/y.test(code.slice(at, at + 2))) return at;
    // The arrow of the function itself comes before its body; that of a function type, before another type.
    if (code.startsWith("=>", at) && /^=>\s*\{/.test(code.slice(at))) return at;
    last = /^(?:=>|[\w$.]+|.)/.exec(code.slice(at))?.[0] ?? character;
    at += last.length;
  }
  return code.length;
}

function closing(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    const character = code.charAt(at);
    if (character in CLOSING) depth++;
    else if (")]}".includes(character) && --depth === 0) return at;
  }
  return code.length - 1;
}

function skipSpace(code: string, from: number): number {
  let at = from;
  while (at < code.length && code.charAt(at).trim() === "") at++;
  return at;
}

// An arrow function is called after what it is assigned to.
function nameOf(code: string, start: number, name: string): string {
  if (name !== "" && name !== "async" && name !== "function") return name;
  const before = code.slice(Math.max(0, start - 200), start);
  return /([\w$#]+)\s*(?::[^=;{}()]*)?[=:]\s*(?:async\s*)?$/.exec(before)?.[1] ?? "(anonymous)";
}
