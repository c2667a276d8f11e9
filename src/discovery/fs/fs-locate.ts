// Finds and reads the file that a name stands for in a folder of endpoint files.
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import type { PathLabels } from "../../naming/path.ts";

/** Largest file that is read, as in linkerd. */
export const MAX_FILE_BYTES = 500 * 1_024;

/**
 * `folder`: all names are folders. `none`: there is no such file. `failed`: it cannot be read; `cause` is a sentence for
 * people.
 */
export type Located =
  | {
      readonly state: "file";
      readonly file: string;
      readonly text: string;
      /** How many names lead to it. */
      readonly depth: number;
    }
  | { readonly state: "folder" }
  | { readonly state: "none" }
  | { readonly state: "failed"; readonly cause: string };

/**
 * The names of files and folders that labels stand for; undefined where a label cannot be one. `.`, `..` and names with
 * a slash are none: a path never leaves its folder, though a symbolic link in it may.
 */
export function fileNames(labels: PathLabels): readonly string[] | undefined {
  const names = labels.map((label) => Buffer.from(label, "latin1").toString("utf8"));
  const usable = (name: string): boolean =>
    name !== "" && name !== "." && name !== ".." && !/[/\0\ufffd]/.test(name);
  return names.every(usable) ? names : undefined;
}

/**
 * Walks from `rootDir` along `names` to the first file; names after it are ignored, as in linkerd. `enter` is called
 * with each folder before anything is looked up in it. Never rejects.
 */
export async function locate(
  rootDir: string,
  names: readonly string[],
  enter: (folder: string) => void,
): Promise<Located> {
  let path = rootDir;
  for (const [index, name] of names.entries()) {
    enter(path);
    path = join(path, name);
    try {
      const found = await stat(path);
      if (found.isDirectory()) continue;
      if (!found.isFile()) return { state: "failed", cause: `${path} is no ordinary file` };
      return await read(path, index + 1);
    } catch (error) {
      return absentOrFailed(path, error);
    }
  }
  return { state: "folder" };
}

async function read(file: string, depth: number): Promise<Located> {
  // Not to be held up for ever, should a pipe have taken the file's place meanwhile.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const bytes = await readUpTo(handle, MAX_FILE_BYTES + 1);
    if (bytes.length > MAX_FILE_BYTES) {
      return { state: "failed", cause: `${file} is larger than ${MAX_FILE_BYTES} bytes` };
    }
    return { state: "file", file, depth, text: new TextDecoder().decode(bytes) };
  } finally {
    await handle.close();
  }
}

async function readUpTo(handle: FileHandle, limit: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(limit);
  let length = 0;
  while (length < limit) {
    const { bytesRead } = await handle.read(buffer, length, limit - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

function absentOrFailed(path: string, error: unknown): Located {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  if (["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(code)) return { state: "none" };
  return { state: "failed", cause: `cannot read ${path} (${code})` };
}
