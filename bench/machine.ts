// What a run ran on.
import { cpus, loadavg, release, totalmem } from "node:os";

/** Facts that a figure is worth nothing without. */
export interface Facts {
  readonly date: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memory: string;
  readonly kernel: string;
  readonly loadBefore: string;
  readonly placement: string;
  readonly versions: readonly string[];
}

/** A busy machine makes figures that mean little: above this load a run warns. */
export const QUIET_LOAD = 0.3;

/** The load of the last minute. */
export function load(): number {
  return loadavg()[0] ?? 0;
}

/** The facts of this machine, joined with what only the run knows. */
export function machineFacts(
  known: Pick<Facts, "commit" | "placement" | "versions">,
  now: Date,
): Facts {
  return {
    ...known,
    date: now.toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? "unknown CPU",
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `Linux ${release()}`,
    loadBefore: load().toFixed(2),
  };
}
