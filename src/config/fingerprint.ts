// A short text that tells configurations apart: for operators who want to know which one is in effect.
import { createHash } from "node:crypto";
import { materialOf, withoutMaterial } from "./merge-material.ts";
import type { Config } from "./types.ts";

/**
 * Equal for configurations that say the same. Tells nothing of what they say, keys included: a part of a SHA-256. `settings`
 * is `settingsHash` of the configuration, or of the one that all but its PEM files is from.
 */
export function fingerprintOf(config: Config, settings: string = settingsHash(config)): string {
  return hashOf([settings, materialOf(config)]).slice(0, 16);
}

/** Equal for configurations that say the same, but for what comes from PEM files. */
export function settingsHash(config: Config): string {
  return hashOf(withoutMaterial(config));
}

function hashOf(value: unknown): string {
  const text = JSON.stringify(value, (_key, item: unknown) =>
    item === Number.POSITIVE_INFINITY ? "no limit" : item,
  );
  return createHash("sha256").update(text).digest("hex");
}
