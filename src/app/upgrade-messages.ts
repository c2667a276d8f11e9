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
  { readonly type: "go"; readonly overrides: readonly PassedOverride[] };

/** What an operator wants of an endpoint: see control/overrides.ts. */
export interface PassedOverride {
  readonly router?: string | undefined;
  readonly path?: string | undefined;
  readonly ip: string;
  readonly port: number;
  readonly weight?: number | undefined;
  readonly enabled?: boolean | undefined;
  /** Until it expires; undefined for never. */
  readonly leftMs?: number | undefined;
}

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
  if (!isRecord(value) || value["type"] !== "go") return undefined;
  // An older version says nothing of them.
  const { overrides } = value;
  return {
    type: "go",
    overrides: Array.isArray(overrides) ? overrides.flatMap(readOverride) : [],
  };
}

function readOverride(value: unknown): PassedOverride[] {
  if (!isRecord(value)) return [];
  const { ip, port } = value;
  if (typeof ip !== "string" || typeof port !== "number") return [];
  return [
    {
      ip,
      port,
      router: textOf(value["router"]),
      path: textOf(value["path"]),
      weight: numberOf(value["weight"]),
      enabled: typeof value["enabled"] === "boolean" ? value["enabled"] : undefined,
      leftMs: numberOf(value["leftMs"]),
    },
  ];
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Of what cannot be below 0. */
function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? value : undefined;
}
