// What the two processes of an upgrade say to each other: a JSON object a line. The order is prepared, go, ready; failed
// may come in place of the first and the last.
import { isRecord, parseJson } from "../lib/json.ts";

/** A name whose endpoints are not known. */
export interface Unresolved {
  readonly router: string;
  readonly path: string;
}

/** Of the process that takes over. */
export type FromSuccessor =
  /** All is set, and nothing is accepted yet. */
  | { readonly type: "prepared"; readonly unresolved: readonly Unresolved[] }
  /** Connections are accepted, and the admin server answers. */
  | { readonly type: "ready" }
  /** It ends. */
  | { readonly type: "failed"; readonly message: string };

/** Of the one that it takes over from. */
export type FromPredecessor =
  /** Accept, together with this process. */
  { readonly type: "go" };

/** Undefined for what is no such message. */
export function readFromSuccessor(line: string): FromSuccessor | undefined {
  const value = parseJson(line);
  if (!isRecord(value)) return undefined;
  const { type, unresolved, message } = value;
  if (type === "ready") return { type };
  if (type === "failed" && typeof message === "string") return { type, message };
  if (type !== "prepared" || !Array.isArray(unresolved)) return undefined;
  return { type, unresolved: unresolved.flatMap(readUnresolved) };
}

function readUnresolved(value: unknown): Unresolved[] {
  if (!isRecord(value)) return [];
  const { router, path } = value;
  return typeof router === "string" && typeof path === "string" ? [{ router, path }] : [];
}

/** Undefined for what is no such message. */
export function readFromPredecessor(line: string): FromPredecessor | undefined {
  const value = parseJson(line);
  return isRecord(value) && value["type"] === "go" ? { type: "go" } : undefined;
}
