// What bind, addr, resolve and delegate are asked: a path, a namespace, perhaps a dtab.
import { type Dtab, parseDtab } from "../../naming/dtab.ts";
import { type PathLabels, parsePath } from "../../naming/path.ts";
import type { ApiAnswer } from "./exchange.ts";
import { whole } from "./exchange.ts";
import type { Params } from "./params.ts";

/** Something that was read, or the answer that says why it cannot be. */
export type Read<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: ApiAnswer };

export function readPathParam(params: Params): Read<PathLabels> {
  const text = params.get("path");
  if (text === undefined) return refuse("The parameter path is missing.");
  return readPathText(text);
}

export function readPathText(text: string): Read<PathLabels> {
  const parsed = parsePath(text);
  if (!parsed.ok) return refuse(`Invalid path: ${text} / ${parsed.message}`);
  return { ok: true, value: parsed.labels };
}

/** The rules of the request itself; none where the parameter is missing. */
export function readDtabParam(params: Params): Read<Dtab> {
  return readDtabText(params.get("dtab") ?? "");
}

export function readDtabText(text: string): Read<Dtab> {
  const parsed = parseDtab(text);
  if (!parsed.ok) return refuse(`Invalid dtab: ${parsed.message}`);
  return { ok: true, value: parsed.dtab };
}

export function refuse(message: string): { readonly ok: false; readonly answer: ApiAnswer } {
  return { ok: false, answer: whole(400, message) };
}
