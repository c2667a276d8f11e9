// Finds and reads the file that a name stands for in a folder of endpoint files.
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, lstat, open, stat } from "node:fs/promises";
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
      /** Differs when the file does, except within the steps of the file system's clock. */
      readonly stamp: string;
      /** Whether all of it was read, as its size tells. */
      readonly whole: boolean;
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

/** A file that was found. */
export type LocatedFile = Located & { readonly state: "file" };

export interface LocateParts {
  readonly rootDir: string;
  readonly names: readonly string[];
  /** Called with each folder before `name` is looked up in it. */
  readonly enter: (folder: string, name: string) => void;
  /** Called with a folder whose entry is a symbolic link, before the link is followed. */
  readonly enterLink: (folder: string) => void;
  /** What need not be read again while its stamp stays. */
  readonly known: LocatedFile | undefined;
}

/**
 * Walks from `rootDir` along `names` to the first file; names after it are ignored, as in linkerd. Never rejects.
 */
export async function locate(parts: LocateParts): Promise<Located> {
  const { rootDir, names, enter, enterLink, known } = parts;
  let path = rootDir;
  for (const [index, name] of names.entries()) {
    const folder = path;
    enter(folder, name);
    path = join(folder, name);
    try {
      let found = await lstat(path, { bigint: true });
      if (found.isSymbolicLink()) {
        enterLink(folder);
        found = await stat(path, { bigint: true });
      }
      if (found.isDirectory()) continue;
      if (!found.isFile()) return { state: "failed", cause: `${path} is no ordinary file` };
      const stamp = stampOf(found);
      if (known?.file === path && known.stamp === stamp) return known;
      return await read({ file: path, depth: index + 1, stamp }, Number(found.size));
    } catch (error) {
      return absentOrFailed(path, error);
    }
  }
  return { state: "folder" };
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}

async function read(
  found: Pick<LocatedFile, "file" | "depth" | "stamp">,
  size: number,
): Promise<Located> {
  const { file } = found;
  const tooLarge = {
    state: "failed",
    cause: `${file} is larger than ${MAX_FILE_BYTES} bytes`,
  } as const;
  if (size > MAX_FILE_BYTES) return tooLarge;
  // Not to be held up for ever, should a pipe have taken the file's place meanwhile.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const bytes = await readUpTo(handle, MAX_FILE_BYTES + 1, size + 1);
    if (bytes.length > MAX_FILE_BYTES) return tooLarge;
    const text = new TextDecoder().decode(bytes);
    return { state: "file", ...found, text, whole: bytes.length === size };
  } finally {
    await handle.close();
  }
}

/** `expected` bytes are made room for, and more only where there are more. */
async function readUpTo(handle: FileHandle, limit: number, expected: number): Promise<Uint8Array> {
  let buffer = new Uint8Array(Math.min(limit, expected));
  let length = 0;
  while (length < limit) {
    if (length === buffer.length) {
      const larger = new Uint8Array(limit);
      larger.set(buffer);
      buffer = larger;
    }
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
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
