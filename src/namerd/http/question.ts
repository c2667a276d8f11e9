// What bind, addr, resolve and delegate are asked: a path, a namespace, perhaps a dtab.
import { type Dtab, parseDtab } from "../../naming/dtab.ts";
import { type PathLabels, parsePath } from "../../naming/path.ts";
import type { ApiAnswer } from "./exchange.ts";
import { whole } from "./exchange.ts";
import type { Params } from "./params.ts";

/** Something that was read, or the answer that says why it cannot be. */
export type Read<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly answer: ApiAnswer };

/** What fits into the head of a GET; forms and JSON bodies could hold more, and leaves of a tree repeat it. */
const MOST_PATH_TEXT = 16 * 1024;
/** Rules of the request's own are parsed for it alone; those of a namespace may be longer. */
const MOST_DTAB_TEXT = 64 * 1024;

export function readPathParam(params: Params): Read<PathLabels> {
  const text = params.get("path");
  if (text === undefined) return refuse("The parameter path is missing.");
  return readPathText(text);
}

export function readPathText(text: string): Read<PathLabels> {
  if (text.length > MOST_PATH_TEXT) return refuse("Invalid path: it is longer than 16 KiB.");
  const parsed = parsePath(text);
  if (!parsed.ok) return refuse(`Invalid path: ${text} / ${parsed.message}`);
  return { ok: true, value: parsed.labels };
}

/** The rules of the request itself; none where the parameter is missing. */
export function readDtabParam(params: Params): Read<Dtab> {
  return readDtabText(params.get("dtab") ?? "");
}

export function readDtabText(text: string): Read<Dtab> {
  if (text.length > MOST_DTAB_TEXT) return refuse("Invalid dtab: it is longer than 64 KiB.");
  const parsed = parseDtab(text);
  if (!parsed.ok) return refuse(`Invalid dtab: ${parsed.message}`);
  return { ok: true, value: parsed.dtab };
}

export function refuse(message: string): { readonly ok: false; readonly answer: ApiAnswer } {
  return { ok: false, answer: whole(400, message) };
}
