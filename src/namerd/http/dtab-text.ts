// Dtabs in bodies of requests and answers: as text, or as a JSON list of dentries.
import {
  type Dtab,
  type Dentry,
  parseDentry,
  parseDtab,
  printDentryParts,
  printDtab,
} from "../../naming/dtab.ts";
import { JSON_TYPE } from "./exchange.ts";

/** Media types a dtab is known in. */
export type DtabType = typeof JSON_TYPE | "application/dtab" | "text/plain";

/** A dtab, or why there is none, for people. */
export type DtabBody =
  { readonly ok: true; readonly dtab: Dtab } | { readonly ok: false; readonly message: string };

/** The media type of a header without its parameters, if it is one of a dtab. */
export function dtabType(header: string | undefined): DtabType | undefined {
  const type = (header ?? "").split(";")[0]?.trim().toLowerCase();
  switch (type) {
    case JSON_TYPE:
    case "application/dtab":
    case "text/plain":
      return type;
    default:
      return undefined;
  }
}

/** The first type of an Accept header that is known, whatever `q` says; JSON where there is none. */
export function acceptedType(accept: string | undefined): DtabType {
  for (const range of (accept ?? "").split(",")) {
    const type = dtabType(range);
    if (type !== undefined) return type;
  }
  return JSON_TYPE;
}

/** As namerd writes it, without the line's end. */
export function renderDtab(dtab: Dtab, type: DtabType): string {
  return type === JSON_TYPE ? JSON.stringify(dtab.map(printDentryParts)) : printDtab(dtab);
}

/** Reads a body of that type. Never throws. */
export function readDtab(body: Uint8Array, type: DtabType): DtabBody {
  const text = decode(body);
  if (text === undefined) return { ok: false, message: "The dtab is not text in UTF-8." };
  if (type === JSON_TYPE) return readJson(text);
  const parsed = parseDtab(text);
  return parsed.ok ? parsed : { ok: false, message: parsed.message };
}

function readJson(text: string): DtabBody {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return { ok: false, message: "The dtab is not JSON." };
  }
  if (!Array.isArray(list)) return { ok: false, message: "The dtab must be a list of dentries." };
  if (list.includes(null)) {
    return { ok: false, message: `The dtab contains invalid dentries: ${text}` };
  }
  const dtab: Dentry[] = [];
  for (const [at, item] of list.entries()) {
    const parts = partsOf(item);
    if (parts === undefined) {
      const message = `Dentry ${at} must be an object with the texts prefix and dst, and nothing else.`;
      return { ok: false, message };
    }
    const parsed = parseDentry(parts.prefix, parts.dst);
    if (!parsed.ok) return { ok: false, message: parsed.message };
    dtab.push(parsed.dentry);
  }
  return { ok: true, dtab };
}

function partsOf(item: unknown): { readonly prefix: string; readonly dst: string } | undefined {
  if (typeof item !== "object" || item === null || Object.keys(item).length !== 2) return undefined;
  if (!("prefix" in item) || !("dst" in item)) return undefined;
  const { prefix, dst } = item;
  return typeof prefix === "string" && typeof dst === "string" ? { prefix, dst } : undefined;
}

function decode(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}
