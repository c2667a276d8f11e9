// The port of dtab storage: namespaces with a dtab and a version each.
import type { Dtab } from "../naming/dtab.ts";

/** A dtab as it is stored. */
export interface StoredDtab {
  readonly dtab: Dtab;
  /** Changes with every write: opaque bytes, sent to clients as an ETag in base64. */
  readonly version: Uint8Array;
}

/** What a store knows of a namespace. `undefined` in `value`: there is none of that name. */
export type Observed<T> =
  | { readonly state: "pending" }
  | { readonly state: "failed"; readonly cause: string }
  | { readonly state: "ok"; readonly value: T };

/** How a write ended. `failed`: the store could not do it, or cannot say whether it did. */
export type WriteResult =
  | { readonly how: "done" }
  | { readonly how: "exists" }
  | { readonly how: "missing" }
  | { readonly how: "version-mismatch" }
  | { readonly how: "invalid-namespace"; readonly cause: string }
  | { readonly how: "failed"; readonly cause: string };

/**
 * Namespaces and their dtabs. `observe` and `list` report the present and every change until `signal` aborts; once they
 * have reported `ok` they keep to it when the store cannot be reached. A write that is `done` survives a kill of this
 * process, and is seen by the next `observe` of anybody.
 */
export interface DtabStore {
  /** Names of all namespaces, sorted. */
  list(signal: AbortSignal, report: (namespaces: Observed<readonly string[]>) => void): void;
  observe(
    namespace: string,
    signal: AbortSignal,
    report: (dtab: Observed<StoredDtab | undefined>) => void,
  ): void;
  /** Fails with `exists`. */
  create(namespace: string, dtab: Dtab): Promise<WriteResult>;
  /** Replaces it if it still has that version; else `version-mismatch`, or `missing`. */
  update(namespace: string, dtab: Dtab, version: Uint8Array): Promise<WriteResult>;
  /** Creates or replaces. */
  put(namespace: string, dtab: Dtab): Promise<WriteResult>;
  delete(namespace: string): Promise<WriteResult>;
  close(): void;
}
