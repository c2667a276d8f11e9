// The port of discovery: something that follows a name and says what it stands for.
import type { Resolution } from "../naming/resolution.ts";

/** Follows names in one source (a namerd, a folder of files, a list in the configuration). */
export interface Resolver {
  /**
   * Follows `path` until `signal` aborts and calls `report` with every new whole answer, in order, starting as soon
   * as something is known. Reports what the source says and nothing more: keeping the last good answer is the
   * caller's part (control/names.ts). Never throws, never rejects, never ends by itself; after the abort nothing is reported.
   */
  watch(path: string, signal: AbortSignal, report: (resolution: Resolution) => void): void;
}
