// Loads a configuration in a process of its own, which takes the memory of the schema and YAML libraries with it:
// 7 MB that the proxy would otherwise hold for as long as it runs (docs/internals/memory.md).
import { deserialize } from "bun:jsc";
import type { LoadResult } from "./load-result.ts";

const ROOT = `${import.meta.dir}/../..`;
// The flags of bin/linkerd-tcp: nothing in the working directory counts.
const FLAGS = [
  "--no-env-file",
  `--config=${ROOT}/bunfig.toml`,
  `--tsconfig-override=${ROOT}/tsconfig.json`,
];

/** The loading process ended without an answer: a fault of the program, not of the configuration. */
export class ConfigLoaderError extends Error {
  readonly code = "CONFIG_LOADER_FAILED";

  constructor(cause: unknown) {
    super("the process that loads the configuration failed", { cause });
    this.name = "ConfigLoaderError";
  }
}

/**
 * Loads the file at `path`; `-` is standard input, which the process inherits.
 * @throws {ConfigLoaderError} when the process fails. A wrong or missing file is a result, not an error.
 */
export async function loadConfigInChild(path: string): Promise<LoadResult> {
  const command = [process.execPath, ...FLAGS, `${import.meta.dir}/load-child.ts`, path];
  const child = Bun.spawn(command, { stdin: "inherit", stdout: "pipe", stderr: "inherit" });
  const answer = await child.stdout.bytes();
  const exitCode = await child.exited;
  if (exitCode !== 0) throw new ConfigLoaderError(`exit code ${exitCode}`);
  try {
    return deserialize(answer.buffer) as LoadResult;
  } catch (error) {
    throw new ConfigLoaderError(error);
  }
}
