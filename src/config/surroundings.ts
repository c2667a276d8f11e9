// What compiling a configuration needs of the world around it, so that tests can stand in for it.
import { isAbsolute, resolve } from "node:path";
import type { SystemRoots } from "../lib/system-roots.ts";
import { type Material, NOT_READ_AGAIN } from "./material.ts";
import { MAX_FILE_BYTES } from "./read-file.ts";

/** What stands in a folder. */
export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

export interface Surroundings {
  /** Directory from which relative paths start. */
  readonly baseDir: string;
  /** The text of a file. Throws what `node:fs` throws. */
  readonly readFile: (path: string) => string;
  readonly isDirectory: (path: string) => boolean;
  /** What a folder holds, links followed, in the order of names. Throws what `node:fs` throws. */
  readonly listFolder: (path: string) => readonly FolderEntry[];
  /** Gathers what comes from PEM files; made where it is needed when not given. */
  readonly material?: Material | undefined;
  /** An environment variable; undefined when it is not set or empty. */
  readonly environment: (name: string) => string | undefined;
  /** The authorities that the system trusts; undefined when it has none. */
  readonly systemRoots: () => SystemRoots | undefined;
  /** Processor cores, for `workers: auto`. */
  readonly cores: number;
  /** Milliseconds since 1970, to tell which certificates are out of date. */
  readonly nowMs: number;
}

/** A path from the configuration, as an absolute one. */
export function resolvePath(around: Surroundings, path: string): string {
  return isAbsolute(path) ? path : resolve(around.baseDir, path);
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "there is no permission to read it",
  EFBIG: `it is larger than ${MAX_FILE_BYTES / 1024 / 1024} MiB`,
  EISDIR: "it is a directory",
  ENOENT: "there is no such file",
  ENOTAGAIN: NOT_READ_AGAIN,
  ENOTDIR: "there is no such file: a part of its path is not a directory",
};

/** Why a file could not be read, as a clause. */
export function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return SYSTEM_ERRORS[code] ?? `it cannot be read (${code || String(error)})`;
}
