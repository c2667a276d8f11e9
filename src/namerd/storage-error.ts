// What keeps a namerd from starting with its storage.

/** The storage cannot be used at all; the message says why, and of which file. */
export class StorageError extends Error {
  readonly code = "STORAGE_UNUSABLE";

  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "StorageError";
  }
}
