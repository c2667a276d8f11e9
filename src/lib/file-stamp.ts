// Tells whether a file is still the one that was read.
import { statSync } from "node:fs";

/** A file that was read, and what told it apart then. */
export interface FileStamp {
  /** Absolute. */
  readonly path: string;
  /** Empty when there was no such file, or none that could be looked at. */
  readonly stamp: string;
}

/**
 * What tells the content of `path` apart: another one after a write, after a rename over it, and, as links are followed,
 * when a link leads elsewhere (which is how Kubernetes changes the files of a volume).
 */
export function fileStamp(path: string): FileStamp {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return { path, stamp: [dev, ino, size, mtimeNs, ctimeNs].join(" ") };
  } catch {
    return { path, stamp: "" };
  }
}
