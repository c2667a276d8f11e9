// What loading a configuration comes to. Free of the libraries that loading needs, as the running proxy imports it.
import type { FileStamp } from "../lib/file-stamp.ts";
import type { CertificateFacts } from "./material.ts";
import type { Problem } from "./problems.ts";
import type { Config } from "./types.ts";

/** What a result is of. */
export interface LoadTrace {
  /** The file itself and those that it names and that were read, as they were before; none for standard input. */
  readonly files?: readonly FileStamp[];
  /** Equal for configurations that say the same, the contents of certificates and keys included. */
  readonly fingerprint?: string;
  /** What comes from PEM files; missing where no such file is named. */
  readonly material?: LoadedMaterial;
}

/** What a configuration took from PEM files, for whoever follows them. */
export interface LoadedMaterial {
  /** The files, and directories of files, as they were before. */
  readonly files: readonly FileStamp[];
  readonly certificates: readonly CertificateFacts[];
  /** For `readAgain` alone: the text that the configuration is of, and what it took. Holds private keys. */
  readonly again: Uint8Array;
}

/** The result of loading a `C`: the proxy's configuration, or namerd's. */
export type LoadResult<C = Config> = LoadTrace & LoadOutcome<C>;

type LoadOutcome<C> =
  | {
      readonly ok: true;
      readonly config: C;
      /** The document as it was written, as plain data: no key material, and no password in a `baseUrl`. */
      readonly source: unknown;
      readonly warnings: readonly Problem[];
    }
  | {
      readonly ok: false;
      /** Whether the configuration file itself could not be read, or is wrong. */
      readonly reason: "unreadable" | "invalid";
      /** Errors, at least one, and warnings, in the order of the text. */
      readonly problems: readonly Problem[];
    };

/** The path that stands for standard input. */
export const STDIN = "-";
