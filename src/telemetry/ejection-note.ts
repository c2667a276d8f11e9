// What a worker notes of an ejection in its cell of the endpoint table: one number, so that it is written at once.

/** Why an endpoint was ejected: the last of its failures. The place in the list is the code in shared memory. */
export const EJECTION_REASONS = [
  "refused",
  "timeout",
  "unreachable",
  "tls",
  "early_reset",
  "other",
] as const;

export type EjectionReason = (typeof EJECTION_REASONS)[number];

/** An ejection, for people. */
export interface EjectionNote {
  readonly reason: EjectionReason;
  /** When the endpoint is probed, in milliseconds since 1970. */
  readonly probeAtMs: number;
  /** Whether it would only have been ejected. */
  readonly dryRun: boolean;
}

const CODES = 8;

/** A whole number: 0 for no ejection, below 0 for a dry run. Exact: milliseconds since 1970 times 8 have 44 bits. */
export function encodeNote(note: EjectionNote | undefined): number {
  if (note === undefined) return 0;
  const code = EJECTION_REASONS.indexOf(note.reason) + 1;
  const value = Math.max(0, Math.round(note.probeAtMs)) * CODES + code;
  return note.dryRun ? -value : value;
}

/** What `encodeNote` was given. */
export function decodeNote(value: number): EjectionNote | undefined {
  if (value === 0) return undefined;
  const size = Math.abs(value);
  const reason = EJECTION_REASONS[(size % CODES) - 1] ?? "other";
  return { reason, probeAtMs: Math.floor(size / CODES), dryRun: value < 0 };
}
