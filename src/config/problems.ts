// What is wrong with a configuration, and how it is said: one line each, all of them at once.

/** Where a value stands in the document: keys and indexes from the top. */
export type ConfigPath = readonly (string | number)[];

/** Something wrong, or doubtful, in a configuration. */
export interface Problem {
  /** As it was given on the command line. */
  readonly file: string;
  /** From 1; undefined when the problem is with the file as a whole. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** `routers[0].servers[1].port`; empty for the whole document. */
  readonly path: string;
  readonly message: string;
  /** A warning does not keep the configuration from being used. */
  readonly severity: "error" | "warning";
}

/** A place in the text; both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Finds the place of a value, of its key, or, when there is none, of the nearest thing around it. */
export type Locate = (path: ConfigPath, what: "key" | "value") => Position;

/** Collects problems and gives them their places. */
export class ProblemList {
  readonly #file: string;
  readonly #locate: Locate;
  /** By what is printed: one value may break two rules with the same words, not whole and too small. */
  #problems = new Map<string, Problem>();
  #original: ((path: ConfigPath) => ConfigPath) | undefined;

  constructor(file: string, locate: Locate) {
    this.#file = file;
    this.#locate = locate;
  }

  /** Notes an error at a value. */
  error(path: ConfigPath, message: string): void {
    this.#add("error", path, message, "value");
  }

  /** Notes an error at a key, because the key itself is wrong. */
  keyError(path: ConfigPath, message: string): void {
    this.#add("error", path, message, "key");
  }

  /** Notes a doubt. */
  warning(path: ConfigPath, message: string): void {
    if (this.#original === undefined) this.#add("warning", path, message, "value");
  }

  /** Notes that something is lacking. Not said of a pruned document: it may be there, and be wrong. */
  lacking(path: ConfigPath, message: string): void {
    if (this.#original === undefined) this.error(path, message);
  }

  /**
   * From now on paths are those of a document from which wrong parts were taken out; `original` maps them back. What
   * may only be a consequence of that, lacks and warnings, is no longer noted.
   */
  followPruning(original: (path: ConfigPath) => ConfigPath): void {
    this.#original = original;
  }

  /** Runs `run`, and answers what it notes instead of noting it: see `adopt`. */
  aside<Value>(run: () => Value): { readonly value: Value; readonly noted: readonly Problem[] } {
    const before = this.#problems;
    this.#problems = new Map();
    try {
      return { value: run(), noted: [...this.#problems.values()] };
    } finally {
      this.#problems = before;
    }
  }

  /** Notes what was noted aside. */
  adopt(noted: readonly Problem[]): void {
    for (const problem of noted) this.#problems.set(formatProblem(problem), problem);
  }

  get hasErrors(): boolean {
    return [...this.#problems.values()].some((problem) => problem.severity === "error");
  }

  /** Line of a value, to point to it from another problem. */
  lineOf(path: ConfigPath): number {
    return this.#locate(this.#originalOf(path), "value").line;
  }

  /** All problems in the order of the text. */
  sorted(): readonly Problem[] {
    return [...this.#problems.values()].sort(
      (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
    );
  }

  #add(
    severity: Problem["severity"],
    path: ConfigPath,
    message: string,
    what: "key" | "value",
  ): void {
    const original = this.#originalOf(path);
    const place = this.#locate(original, what);
    const problem = { file: this.#file, ...place, path: formatPath(original), message, severity };
    this.#problems.set(formatProblem(problem), problem);
  }

  #originalOf(path: ConfigPath): ConfigPath {
    return this.#original?.(path) ?? path;
  }
}

/** `routers[0].tls.identities["*.example.com"]`. */
export function formatPath(path: ConfigPath): string {
  return joinSteps(path, show);
}

/** The same with every step as it is, however long: no two paths are the same text. */
export function exactPath(path: ConfigPath): string {
  return joinSteps(path, JSON.stringify);
}

function joinSteps(path: ConfigPath, quote: (step: string) => string): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[A-Za-z_$][\w$]*$/.test(step)) text += `[${quote(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** One line: `file:line:column: error: path: message`. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined);
  const where = problem.path === "" ? "" : `${problem.path}: `;
  return `${place.join(":")}: ${problem.severity}: ${where}${problem.message}`;
}

/** A line for each problem and, after errors, a line that counts them. Ends without a newline. */
export function formatProblems(problems: readonly Problem[]): string {
  const lines = problems.map(formatProblem);
  const errors = problems.filter((problem) => problem.severity === "error").length;
  if (errors > 0) lines.push(errors === 1 ? "1 error" : `${errors} errors`);
  return lines.join("\n");
}

const LONGEST_SHOWN = 60;

/** A value as a message shows it: short, on one line, without secrets. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "an object";
  if (typeof value !== "string") return String(value);
  // Text of several lines, or with a PEM mark, may be a key that was pasted in.
  if (value.includes("-----")) return "PEM text";
  if (value.includes("\n")) return "a text of several lines";
  const shown = redact(value);
  return JSON.stringify(
    shown.length > LONGEST_SHOWN ? `${shown.slice(0, LONGEST_SHOWN)}...` : shown,
  );
}

/** The text with the user and password of a URL replaced by `***`. */
export function redact(text: string): string {
  return text.replace(/(\/\/)[^/?#]*@/, "$1***@").replace(/^[^/@\s]+:[^/@\s]*@/, "***@");
}
