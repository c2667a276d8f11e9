// What loading a configuration comes to. Free of the libraries that loading needs, as the running proxy imports it.
import type { Problem } from "./problems.ts";
import type { Config } from "./types.ts";

/** The result of loading a `C`: the proxy's configuration, or namerd's. */
export type LoadResult<C = Config> =
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
