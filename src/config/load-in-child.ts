// Loads a configuration in a process of its own, which takes the memory of the schema and YAML libraries with it:
// 7 MB that the proxy would otherwise hold for as long as it runs (docs/internals/memory.md).
import { deserialize } from "bun:jsc";
import { closeSync } from "node:fs";
import type { LoadResult } from "./load-result.ts";
import type { ReadAgain } from "./read-again.ts";

const READ_AGAIN_WITHIN_MS = 60_000;
const ROOT = `${import.meta.dir}/../..`;
// The flags of bin/linkerd-tcp: nothing in the working directory counts.
const FLAGS = [
  "--no-env-file",
  `--config=${ROOT}/bunfig.toml`,
  `--tsconfig-override=${ROOT}/tsconfig.json`,
];

/** Ends a process that takes too long: no other does. */
const TOO_LONG = "SIGALRM";
const FAILED = "the process that loads the configuration failed";

/** The loading process ended without an answer: a fault of the program, not of the configuration. */
export class ConfigLoaderError extends Error {
  readonly code = "CONFIG_LOADER_FAILED";
  /** Whether the system would not start the process, or Bun gave up in it: both for want of threads or memory. */
  readonly lacksThreads: boolean;

  constructor(cause: unknown, lacksThreads = false, message = FAILED) {
    super(message, { cause });
    this.name = "ConfigLoaderError";
    this.lacksThreads = lacksThreads;
  }
}

/**
 * Loads the file at `path`; `-` is standard input, which the process inherits. What takes longer than `withinMs` is given
 * up: nobody may ever write into a pipe. Without it there is no limit.
 * @throws {ConfigLoaderError} when the process fails. A wrong or missing file is a result, not an error.
 */
export async function loadConfigInChild(path: string, withinMs?: number): Promise<LoadResult> {
  return (await runChild("load-child.ts", [path], "inherit", withinMs)) as LoadResult;
}

/**
 * Reads PEM files again: see read-again.ts.
 * @throws {ConfigLoaderError} when the process fails, or takes too long.
 */
export async function readAgainInChild(again: Uint8Array): Promise<ReadAgain> {
  return (await runChild("read-again-child.ts", [], again, READ_AGAIN_WITHIN_MS)) as ReadAgain;
}

async function runChild(
  entry: string,
  args: readonly string[],
  stdin: "inherit" | Uint8Array,
  withinMs: number | undefined,
): Promise<unknown> {
  const command = [process.execPath, ...FLAGS, `${import.meta.dir}/${entry}`, ...args];
  const child = start(command, stdin, withinMs);
  const [answer, complaint] = await Promise.all([child.stdout.bytes(), child.stderr.text()]);
  const exitCode = await child.exited;
  const [, , , lifeline] = child.stdio;
  if (typeof lifeline === "number") closeSync(lifeline);
  // Bun calls abort() where it cannot make a thread, and writes a page about it, which is none of the reader's business.
  if (child.signalCode === "SIGABRT") throw new ConfigLoaderError(complaint, true);
  if (withinMs !== undefined && child.signalCode === TOO_LONG)
    throw new ConfigLoaderError(undefined, false, tooLong(withinMs));
  if (exitCode !== 0) throw new ConfigLoaderError(`exit code ${exitCode}: ${complaint}`);
  try {
    return deserialize(answer.buffer);
  } catch (error) {
    throw new ConfigLoaderError(error);
  }
}

function tooLong(withinMs: number): string {
  return (
    `reading the configuration takes longer than ${withinMs / 1000} s: is one of the files that it names a pipe, or on a ` +
    "file system that does not answer?"
  );
}

function start(command: string[], stdin: "inherit" | Uint8Array, withinMs: number | undefined) {
  try {
    // The last pipe carries nothing: it closes with this process, and the child, which may be waiting for a file, ends
    // too.
    return Bun.spawn(command, {
      stdio: [stdin, "pipe", "pipe", "pipe"],
      ...(withinMs === undefined ? {} : { timeout: withinMs, killSignal: TOO_LONG }),
    });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    throw new ConfigLoaderError(error, code === "EAGAIN" || code === "ENOMEM");
  }
}
