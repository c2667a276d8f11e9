// Ends the process, at once and for certain.
import { libc } from "../transport/libc.ts";

/**
 * Ends the process with `code`. Not by process.exit where it can be helped: Bun takes threads down in order first, and
 * has been seen to spin for ever while a worker could not be loaded. There is nothing to take down: what the process
 * writes is written synchronously, and the kernel closes the rest.
 */
export function exitProcess(code: number): never {
  libc?.exit(code);
  process.exit(code);
}
