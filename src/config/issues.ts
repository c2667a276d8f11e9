// Turns what the schema library found into sentences: what was expected, what stands there, what was probably meant.
import type { z } from "zod";
import type { JsonSchema } from "./json-schema.ts";
import { KeyHints } from "./key-hints.ts";
import { valueAt } from "./keys.ts";
import { type ConfigPath, type ProblemList, show } from "./problems.ts";
import { suggest } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

/** Notes what the schema found wrong with one document. */
export class IssueReporter {
  readonly #raw: unknown;
  readonly #problems: ProblemList;
  readonly #hints: KeyHints;

  /** `schema` is what the document is held against, for hints; the proxy's file when not given. */
  constructor(raw: unknown, problems: ProblemList, schema?: () => JsonSchema) {
    this.#raw = raw;
    this.#problems = problems;
    this.#hints = new KeyHints(raw, schema);
  }

  report(issue: Issue): void {
    const path = issue.path as ConfigPath;
    if (issue.code === "invalid_union") {
      this.#reportUnion(issue, path);
      return;
    }
    if (issue.code !== "unrecognized_keys") {
      this.#reportValue(path, issue.message, reasonOf(issue, valueAt(this.#raw, path)));
      return;
    }
    for (const key of issue.keys) {
      this.#problems.keyError([...path, key], `unknown key${this.#hints.about(path, key)}`);
    }
  }

  #reportValue(path: ConfigPath, expected: string, reason: string): void {
    const value = valueAt(this.#raw, path);
    const message =
      value === undefined
        ? `missing: expected ${expected}`
        : `expected ${expected}, found ${show(value)}${reason}`;
    this.#problems.error(path, message);
  }

  #reportUnion(issue: Extract<Issue, { code: "invalid_union" }>, path: ConfigPath): void {
    const value = valueAt(this.#raw, path);
    if ("options" in issue && Array.isArray(issue.options)) {
      const options = issue.options.map(String);
      const meant = typeof value === "string" ? suggest(value, options) : undefined;
      const reason = meant === undefined ? "" : `; did you mean ${show(meant)}?`;
      this.#reportValue(path, `one of ${options.map(show).join(", ")}`, reason);
      return;
    }
    // The alternative that fits at its top is the one that was meant: its complaints are the useful ones.
    const meant = issue.errors.find((branch) => !branch.some(isWrongTypeAtTop));
    if (meant === undefined) {
      this.#reportValue(path, issue.message, reasonForNull(value));
      return;
    }
    for (const inner of meant) this.report({ ...inner, path: [...issue.path, ...inner.path] });
  }
}

function isWrongTypeAtTop(issue: Issue): boolean {
  const isType = issue.code === "invalid_type" || issue.code === "invalid_value";
  return isType && issue.path.length === 0;
}

function reasonOf(issue: Issue, value: unknown): string {
  if (value === null) return reasonForNull(value);
  if (issue.code === "custom") {
    const reason: unknown = issue.params?.["reason"];
    return typeof reason === "string" && reason !== "" ? `: ${reason}` : "";
  }
  if (issue.code !== "invalid_type") return "";
  const wantsNumber = issue.expected === "number" || issue.expected === "int";
  if (wantsNumber && typeof value === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(value)) {
    return ": it must be a number, without quotes";
  }
  const isPlain = typeof value === "number" || typeof value === "boolean";
  return issue.expected === "string" && isPlain ? ": put it in quotes" : "";
}

function reasonForNull(value: unknown): string {
  return value === null ? ": give the key a value or remove it" : "";
}
