// What the exit code of the process means.
import type { LoadResult } from "../config/load-result.ts";

/** Exit codes, by the names of sysexits.h where it has one. A second signal ends the process with 128 + its number. */
export const EXIT = {
  ok: 0,
  aborted: 1,
  usage: 64,
  refused: 65,
  noInput: 66,
  unavailable: 69,
  cannotBind: 71,
  noThreads: 75,
  badConfig: 78,
} as const;

/** The exit code for a configuration that cannot be used. */
export function exitCodeOf(result: Extract<LoadResult<unknown>, { ok: false }>): number {
  return result.reason === "unreadable" ? EXIT.noInput : EXIT.badConfig;
}

/** The codes as the documentation lists them. */
export const EXIT_CODES: readonly { readonly code: string; readonly meaning: string }[] = [
  { code: `${EXIT.ok}`, meaning: "Done: shut down in good order, or nothing wrong was found." },
  { code: `${EXIT.aborted}`, meaning: "Aborted by `POST /abort`, or by a fault of the program." },
  { code: `${EXIT.usage}`, meaning: "The command line is wrong." },
  { code: `${EXIT.refused}`, meaning: "A namerd refused what it was asked for." },
  { code: `${EXIT.noInput}`, meaning: "The configuration file cannot be read." },
  { code: `${EXIT.unavailable}`, meaning: "A namerd cannot be reached." },
  { code: `${EXIT.cannotBind}`, meaning: "An address cannot be listened on." },
  {
    code: `${EXIT.noThreads}`,
    meaning: "The system allows too few processes and threads (`ulimit -u`, `pids.max`).",
  },
  { code: `${EXIT.badConfig}`, meaning: "The configuration is wrong." },
  { code: "128+n", meaning: "Ended at once by a second signal, n being its number." },
];
