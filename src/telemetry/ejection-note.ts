// What a worker notes of an endpoint that fails in its cell of the endpoint table: one number, so that it is written at once.

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

/**
 * What is done about it. `ejected`: it is out. `dry_run`: it would be out. `withheld`: it fails too often and stays, as
 * enough are out, or none would be left. The place in the list is the code in shared memory.
 */
export const EJECTION_KINDS = ["ejected", "dry_run", "withheld"] as const;

export type EjectionKind = (typeof EJECTION_KINDS)[number];

/** An endpoint that fails, for people. */
export interface EjectionNote {
  readonly kind: EjectionKind;
  readonly reason: EjectionReason;
  /** When the endpoint is probed, in whole milliseconds since 1970; 0 for one that is withheld. */
  readonly probeAtMs: number;
}

const REASON_CODES = 8;
const KIND_CODES = 4;

/** A whole number, 0 for no note. Exact: milliseconds since 1970 times 32 have 46 bits. */
export function encodeNote(note: EjectionNote | undefined): number {
  if (note === undefined) return 0;
  const kind = EJECTION_KINDS.indexOf(note.kind);
  const reason = EJECTION_REASONS.indexOf(note.reason) + 1;
  const atMs = Math.max(0, Math.round(note.probeAtMs));
  return (atMs * KIND_CODES + kind) * REASON_CODES + reason;
}

/** What `encodeNote` was given. */
export function decodeNote(value: number): EjectionNote | undefined {
  if (value === 0) return undefined;
  const reason = EJECTION_REASONS[(value % REASON_CODES) - 1] ?? "other";
  const rest = Math.floor(value / REASON_CODES);
  const kind = EJECTION_KINDS[rest % KIND_CODES] ?? "ejected";
  return { kind, reason, probeAtMs: Math.floor(rest / KIND_CODES) };
}

/** The kind of an encoded note, without an object. */
export function kindOf(value: number): EjectionKind | undefined {
  return value === 0 ? undefined : EJECTION_KINDS[Math.floor(value / REASON_CODES) % KIND_CODES];
}
