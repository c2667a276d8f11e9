// Reads the files of a configuration: a bounded part of each, and without holding up the thread where it may take time.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { type FileStamp, fileStamp } from "../lib/file-stamp.ts";
import type { FolderEntry } from "./surroundings.ts";

/** Longer files are no configuration and no certificate; 700,000 endpoints fit. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/**
 * The bytes of the file at `path`, or of standard input for 0. Devices and pipes are read to their end, which a pipe
 * may be long in coming to. Rejects with what `node:fs` throws, and with the code EFBIG beyond `MAX_FILE_BYTES`.
 */
export async function readBounded(path: string | 0): Promise<Uint8Array> {
  if (path === 0) return await readAll(Bun.stdin.stream());
  await using file = await open(path);
  return await readAll(chunksOf(file));
}

/**
 * The files that a configuration names, for a reader that cannot wait. Those that may keep it waiting for ever, pipes
 * and devices, are not read at first: `readMissing` does, and then everything is to be read once more.
 */
export class NamedFiles {
  /** Whether what may keep a reader waiting is read in the end. */
  readonly #waits: boolean;
  readonly #missing = new Set<string>();
  readonly #stamps = new Map<string, FileStamp>();
  readonly #read = new Map<string, { readonly text: string } | { readonly error: unknown }>();

  constructor(waits = true) {
    this.#waits = waits;
  }

  /** The text of a file. Throws what `readBounded` rejects with, and something or other for one that is not read yet. */
  read(path: string): string {
    this.stampOf(path);
    const known = this.#read.get(path);
    if (known !== undefined) {
      if ("error" in known) throw known.error;
      return known.text;
    }
    const stat = statSync(path);
    if (stat.isDirectory() || (stat.isFile() && stat.size <= MAX_FILE_BYTES)) {
      return readFileSync(path, "utf8");
    }
    if (stat.isFile()) throw tooBig();
    if (!this.#waits) throw Object.assign(new Error("not read again"), { code: "ENOTAGAIN" });
    this.#missing.add(path);
    throw new Error("not read yet");
  }

  /** What a folder holds, links followed. Throws what `node:fs` throws. */
  list(path: string): readonly FolderEntry[] {
    this.stampOf(path);
    return readdirSync(path)
      .toSorted()
      .map((name) => ({ name, isFolder: isDirectory(join(path, name)) }));
  }

  /** All files that were asked for, as they were before they were read. */
  get stamps(): readonly FileStamp[] {
    return [...this.#stamps.values()];
  }

  /** How a file was when it was asked for first. */
  stampOf(path: string): FileStamp {
    const known = this.#stamps.get(path) ?? fileStamp(path);
    this.#stamps.set(path, known);
    return known;
  }

  /** Reads the files that were asked for in vain. False when there are none. */
  async readMissing(): Promise<boolean> {
    for (const path of this.#missing) {
      try {
        this.#read.set(path, { text: new TextDecoder().decode(await readBounded(path)) });
      } catch (error) {
        this.#read.set(path, { error });
      }
    }
    const hasRead = this.#missing.size > 0;
    this.#missing.clear();
    return hasRead;
  }
}

/** Whether there is a directory, links followed. */
export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { buffer, bytesRead } = await file.read(
      new Uint8Array(CHUNK_BYTES),
      0,
      CHUNK_BYTES,
      null,
    );
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of chunks) {
    parts.push(part);
    length += part.length;
    if (length > MAX_FILE_BYTES) throw tooBig();
  }
  return Buffer.concat(parts);
}

function tooBig(): Error {
  return Object.assign(new Error("the file is too big"), { code: "EFBIG" });
}
