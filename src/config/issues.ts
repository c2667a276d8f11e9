// Turns what the schema library found into sentences: what was expected, what stands there, what was probably meant.
import type { z } from "zod";
import { childOf, configKeys, knownKeys } from "./keys.ts";
import { type ConfigPath, type ProblemList, show } from "./problems.ts";
import { suggest } from "./suggest.ts";

type Issue = z.core.$ZodIssue;

/** Names that keys had in earlier versions, or in wrong documents. */
const EARLIER_NAMES: Readonly<Record<string, string>> = {
  addr: "ip and port",
  bufferSize: "bufferSizeBytes",
  certPaths: "certs",
  dstPath: "dstName",
  intervalSecs: "periodSecs",
  name: "dnsName",
  namerd: "interpreter",
  path: "dstName",
  privateKeyPath: "privateKey",
  trustCertPaths: "trustCerts",
  url: "baseUrl",
};

/** Notes the problems of one issue of the schema about the document `raw`. */
export function reportIssue(issue: Issue, raw: unknown, problems: ProblemList): void {
  const path = issue.path as ConfigPath;
  if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) {
      problems.keyError([...path, key], `unknown key${hintForKey(path, key, raw)}`);
    }
    return;
  }
  if (issue.code === "invalid_union") {
    reportUnion(issue, raw, problems);
    return;
  }
  report(path, issue.message, raw, problems, reasonOf(issue, valueAt(raw, path)));
}

/** What stands at `path`; undefined when nothing does. */
export function valueAt(raw: unknown, path: ConfigPath): unknown {
  return path.reduce(childOf, raw);
}

function report(
  path: ConfigPath,
  expected: string,
  raw: unknown,
  problems: ProblemList,
  reason: string,
): void {
  const value = valueAt(raw, path);
  if (value === undefined) problems.error(path, `missing: expected ${expected}`);
  else problems.error(path, `expected ${expected}, found ${show(value)}${reason}`);
}

function reportUnion(
  issue: Extract<Issue, { code: "invalid_union" }>,
  raw: unknown,
  problems: ProblemList,
): void {
  const path = issue.path as ConfigPath;
  if ("options" in issue && Array.isArray(issue.options)) {
    const options = issue.options.map(String);
    const value = valueAt(raw, path);
    const meant = typeof value === "string" ? suggest(value, options) : undefined;
    const reason = meant === undefined ? "" : `; did you mean ${show(meant)}?`;
    report(path, oneOf(options), raw, problems, reason);
    return;
  }
  // The alternative that fits at its top is the one that was meant: its complaints are the useful ones.
  const meant = issue.errors.find((branch) => !branch.some(isWrongTypeAtTop));
  if (meant === undefined) {
    report(path, issue.message, raw, problems, reasonForNull(valueAt(raw, path)));
    return;
  }
  for (const inner of meant) {
    reportIssue({ ...inner, path: [...issue.path, ...inner.path] }, raw, problems);
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

function hintForKey(path: ConfigPath, key: string, raw: unknown): string {
  const known = knownKeys(path, raw);
  const earlier = Object.hasOwn(EARLIER_NAMES, key) ? EARLIER_NAMES[key] : undefined;
  if (earlier !== undefined && earlier.split(" and ").every((name) => known.includes(name))) {
    return `; it is called ${earlier} now`;
  }
  const here = valueAt(raw, path);
  const absent = known.filter((name) => childOf(here, name) === undefined);
  const meant = suggest(key, absent) ?? suggest(key, known);
  if (meant !== undefined) return `; did you mean ${show(meant)}?`;
  const places = placesOf(key);
  if (places.length > 0) return `; it belongs in ${places.join(" or ")}`;
  return known.length === 0 ? "" : `; the keys here are ${known.join(", ")}`;
}

/** The objects that have a key of this name. */
function placesOf(key: string): readonly string[] {
  const places = configKeys()
    .filter(({ path }) => path === key || path.endsWith(`.${key}`))
    .map(({ path, kind }) => {
      const place = path === key ? "the top level" : path.slice(0, -key.length - 1);
      return kind === undefined ? place : `${place} of kind ${kind}`;
    });
  return [...new Set(places)];
}

function oneOf(options: readonly string[]): string {
  return `one of ${options.map(show).join(", ")}`;
}
