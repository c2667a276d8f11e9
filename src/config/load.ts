// Loads a configuration: bytes, text, document, file, Config. Needs the schema and YAML libraries, which cost 7 MB of
// memory for good, so the running proxy goes through load-in-child.ts.
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, extname, resolve } from "node:path";
import { fileStamp } from "../lib/file-stamp.ts";
import { systemClock } from "../lib/clock.ts";
import { systemRoots } from "../lib/system-roots.ts";
import { compile } from "./compile.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { Material } from "./material.ts";
import { materialTrace, type Reading } from "./material-trace.ts";
import { type LoadResult, type LoadTrace, STDIN } from "./load-result.ts";
import { decodeUtf8, parseConfig } from "./parse.ts";
import { type Problem, redact } from "./problems.ts";
import { isDirectory, NamedFiles, readBounded } from "./read-file.ts";
import { type Surroundings, whyUnreadable } from "./surroundings.ts";

/**
 * Loads the file at `path`, or, for `-`, standard input, unless its bytes are given. Relative paths in the file start
 * from its own directory, for standard input from the working directory. Never rejects.
 */
export async function loadConfig(path: string, stdin?: Uint8Array): Promise<LoadResult> {
  return await loadFile(path, stdin, loadText, { hint: hintForName, trace: materialTrace });
}

/** Makes a configuration of a text that was read from `name`. */
export type LoadText<C> = (text: string, name: string, around: Surroundings) => LoadResult<C>;

/** What is peculiar to files of one kind. */
interface FileKind<C> {
  /** A clause about a path where nothing is, or empty. */
  readonly hint: (path: string) => string;
  /** What of a reading is kept beside the configuration. */
  readonly trace: (config: C, reading: Reading) => LoadTrace;
}

/** As `loadConfig`, for a file of any kind. */
export async function loadFile<C>(
  path: string,
  stdin: Uint8Array | undefined,
  load: LoadText<C>,
  { hint, trace }: FileKind<C> = { hint: () => "", trace: () => ({}) },
): Promise<LoadResult<C>> {
  const isStdin = path === STDIN;
  const name = isStdin ? "<stdin>" : path;
  // Before it is read: what changes meanwhile is seen as a change later.
  const own = isStdin ? [] : [fileStamp(resolve(path))];
  let bytes: Uint8Array;
  try {
    bytes = stdin !== undefined && isStdin ? stdin : await readBounded(isStdin ? 0 : path);
  } catch (error) {
    const why = whyUnreadable(error);
    const message = existsSync(path) ? why : `${why}${hint(path)}`;
    return { ...unreadable(name, message), files: own };
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) {
    return { ...unreadable(name, "it is not text in UTF-8"), files: own };
  }
  // "-" lies in the working directory, as far as paths go.
  const baseDir = dirname(resolve(path));
  const files = new NamedFiles();
  for (;;) {
    const material = new Material(systemClock.wallTime(), (file) => files.stampOf(file));
    const result = load(text, name, surroundingsOf(baseDir, files, material));
    if (await files.readMissing()) continue;
    const stamps = [...own, ...files.stamps];
    if (!result.ok) return { ...result, files: stamps };
    const reading = { text, name, baseDir, material, files };
    return { ...result, files: stamps, ...trace(result.config, reading) };
  }
}

/** Loads a text that was read from `name`. Never throws. */
export function loadText(text: string, name: string, around: Surroundings): LoadResult {
  const { file, raw, problems } = parseConfig(text, name);
  const config = file === undefined ? undefined : compile(file, around, problems);
  const found = problems.sorted();
  if (config === undefined || problems.hasErrors) {
    return { ok: false, reason: "invalid", problems: found };
  }
  const source = withoutSecrets(raw);
  return { ok: true, config, source, warnings: found, fingerprint: fingerprintOf(config) };
}

/** The world of this process, for paths that start from `baseDir`. */
export function surroundingsOf(
  baseDir: string,
  files: NamedFiles,
  material: Material,
): Surroundings {
  return {
    baseDir,
    readFile: (path) => files.read(path),
    listFolder: (path) => files.list(path),
    isDirectory,
    material,
    systemRoots,
    environment: (name) => Bun.env[name] || undefined,
    cores: availableParallelism(),
    nowMs: systemClock.wallTime(),
  };
}

function unreadable(file: string, message: string): LoadResult<never> {
  const place = { file, line: undefined, column: undefined, path: "" };
  const problem: Problem = { ...place, message, severity: "error" };
  return { ok: false, reason: "unreadable", problems: [problem] };
}

/** For a path that may have been meant as the name of a destination. */
function hintForName(path: string): string {
  if (!path.startsWith("/") || extname(path) !== "") return "";
  return `; if it is a name to be resolved, add an option, as in: linkerd-tcp -n 127.0.0.1:4180 ${path}`;
}

/** Certificates and keys are named by their files, so only URLs and tokens can hold a secret. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    key === "token" ? "***" : withoutSecrets(item),
  ]);
  return Object.fromEntries(entries);
}
