// Reads the PEM files of a configuration again, and nothing else of it: what is good is new, what is bad stays as it was.
import { sameData } from "../lib/same-data.ts";
import { systemClock } from "../lib/clock.ts";
import { compile } from "./compile.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { LoadedMaterial } from "./load-result.ts";
import { surroundingsOf } from "./load.ts";
import { type CertificateFacts, Material, type RefusedUnit, type Units } from "./material.ts";
import { keptOf, materialTrace } from "./material-trace.ts";
import { parseConfig } from "./parse.ts";
import { formatProblem } from "./problems.ts";
import { NamedFiles } from "./read-file.ts";
import type { Config } from "./types.ts";

/** Where the configuration speaks of certificates. */
const TLS = /\.tls\b/;

/** A unit that is another one now. */
export interface ChangedUnit {
  readonly unit: string;
  readonly change: "added" | "changed" | "removed";
  /** Of the unit as it is now; of one that is gone, as it was. */
  readonly certificates: readonly CertificateFacts[];
}

/** What came of it. */
export type ReadAgain =
  | {
      readonly ok: true;
      /** Only what comes from PEM files counts: see `mergeMaterial`. */
      readonly config: Config;
      readonly fingerprint: string;
      readonly material: LoadedMaterial;
      readonly changed: readonly ChangedUnit[];
      readonly refused: readonly RefusedUnit[];
      /** A line each. */
      readonly warnings: readonly string[];
    }
  | {
      readonly ok: false;
      /** A line each. */
      readonly problems: readonly string[];
    };

/** Reads all files again that `again`, of an earlier reading, is about. */
export function readAgain(again: Uint8Array): ReadAgain {
  const kept = keptOf(again);
  const { text, name, baseDir, settings } = kept;
  const files = new NamedFiles(false);
  const material = new Material(systemClock.wallTime(), (path) => files.stampOf(path), kept.units);
  const { file, problems } = parseConfig(text, name);
  const config = file && compile(file, surroundingsOf(baseDir, files, material), problems);
  const found = problems.sorted();
  // What is wrong with other files, such as lists of addresses, is for the next reload to tell.
  const errors = found.filter(({ severity, path }) => severity === "error" && TLS.test(path));
  if (config === undefined || errors.length > 0) {
    return { ok: false, problems: errors.map(formatProblem) };
  }
  const trace = materialTrace(config, { text, name, baseDir, material, files }, settings);
  if (trace.material === undefined) return { ok: false, problems: ["there are no PEM files"] };
  return {
    ok: true,
    config,
    fingerprint: fingerprintOf(config, settings),
    material: trace.material,
    changed: changesOf(kept.units, material.units),
    refused: material.refused,
    warnings: found.filter(({ path }) => TLS.test(path)).map(formatProblem),
  };
}

function changesOf(before: Units, after: Units): readonly ChangedUnit[] {
  const changes: ChangedUnit[] = [];
  for (const [unit, { value, certificates }] of after) {
    const was = before.get(unit);
    if (was !== undefined && sameData(was.value, value)) continue;
    changes.push({ unit, change: was === undefined ? "added" : "changed", certificates });
  }
  for (const [unit, { certificates }] of before) {
    if (!after.has(unit)) changes.push({ unit, change: "removed", certificates });
  }
  // What a directory lists is told of by its pairs.
  return changes.filter(({ certificates }) => certificates.length > 0);
}
