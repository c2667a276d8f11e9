// What a reading of PEM files leaves behind, so that they can be read again without the rest of the configuration.
import { deserialize, serialize } from "bun:jsc";
import { settingsHash } from "./fingerprint.ts";
import type { LoadTrace } from "./load-result.ts";
import type { Material, Unit, Units } from "./material.ts";
import type { NamedFiles } from "./read-file.ts";
import type { Config } from "./types.ts";

/** A text that was read, and what of other files with it. */
export interface Reading {
  readonly text: string;
  readonly name: string;
  readonly baseDir: string;
  readonly material: Material;
  readonly files: NamedFiles;
}

/** What a second reading is given of the first. */
export interface Kept extends Pick<Reading, "text" | "name" | "baseDir"> {
  readonly settings: string;
  readonly units: Units;
}

/** Empty where no PEM file is named. */
export function materialTrace(
  config: Config,
  reading: Reading,
  settings: string = settingsHash(config),
): Pick<LoadTrace, "material"> {
  const { text, name, baseDir, material, files } = reading;
  if (material.files.size === 0) return {};
  const units = [...material.units];
  const again = new Uint8Array(serialize({ text, name, baseDir, settings, units }));
  const stamps = files.stamps.filter(({ path }) => material.files.has(path));
  return { material: { files: stamps, certificates: material.certificates, again } };
}

/** The other way round. */
export function keptOf(again: Uint8Array): Kept {
  const { units, ...rest } = deserialize(again.slice().buffer) as Omit<Kept, "units"> & {
    readonly units: readonly (readonly [string, Unit])[];
  };
  return { ...rest, units: new Map(units) };
}
