// A short text that tells configurations apart: for operators who want to know which one is in effect.
import { createHash } from "node:crypto";
import type { Config } from "./types.ts";

/** Equal for configurations that say the same. Tells nothing of what they say, keys included: a part of a SHA-256. */
export function fingerprintOf(config: Config): string {
  const text = JSON.stringify(config, (_key, value: unknown) =>
    value === Number.POSITIVE_INFINITY ? "no limit" : value,
  );
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
