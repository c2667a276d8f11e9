// Reads what the Kubernetes API writes: pages of a list, and the events of a watch. Whatever the text, it gives a value.
// The shapes are those of "Kubernetes API Concepts": efficient detection of changes, bookmarks, chunked lists.
import { parseJson } from "../../lib/json.ts";
import { quote } from "../quote.ts";

/** An object of JSON. */
export type Json = Readonly<Record<string, unknown>>;

/** `problem` is one sentence for people that names Kubernetes. */
export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Reads what is of interest in an object of one kind; a problem is a clause such as `its endpoints are no list`. */
export type ReadObject<T> = (object: Json) => Parsed<T>;

/** A part of a list. */
export interface Page<T> {
  /** By name of the object. */
  readonly items: ReadonlyMap<string, T>;
  /** Where a watch of this list begins. Opaque: it can be handed back, and not be compared. */
  readonly version: string;
  /** What fetches the next part; undefined for the last one. */
  readonly next: string | undefined;
}

/** One line of a watch. */
export type WatchEvent<T> =
  /** ADDED and MODIFIED, which differ in nothing that matters. */
  | { readonly kind: "set"; readonly name: string; readonly version: string; readonly value: T }
  | { readonly kind: "deleted"; readonly name: string; readonly version: string }
  /** Nothing changed up to this version. */
  | { readonly kind: "bookmark"; readonly version: string }
  /** The changes since the version that was asked for are forgotten: only a new list helps. */
  | { readonly kind: "expired" }
  | { readonly kind: "failed"; readonly cause: string };

const HTTP_GONE = 410;

/** Reads one page of a list. */
export function parsePage<T>(text: string, read: ReadObject<T>): Parsed<Page<T>> {
  const list = parseJson(text);
  if (!isJson(list)) return problem(`Kubernetes answered: ${quote(text)}`);
  const { version, next } = listMeta(list["metadata"]);
  // Go writes a list that was never filled as null.
  const objects = list["items"] ?? [];
  if (version === undefined) return problem("Kubernetes gave a list without a resourceVersion");
  if (!Array.isArray(objects)) return problem("Kubernetes gave a list whose items are no list");
  const items = new Map<string, T>();
  for (const object of objects) {
    const item = parseObject(object, read);
    if (!item.ok) return item;
    items.set(item.value.name, item.value.value);
  }
  return { ok: true, value: { items, version, next } };
}

/** Reads one event of a watch. */
export function parseEvent<T>(text: string, read: ReadObject<T>): Parsed<WatchEvent<T>> {
  const event = parseJson(text);
  if (!isJson(event)) return problem(`Kubernetes sent in a watch: ${quote(text)}`);
  const { type, object } = event;
  switch (type) {
    case "ADDED":
    case "MODIFIED":
      return setEvent(object, read);
    case "DELETED":
      return deletedEvent(object);
    case "BOOKMARK":
      return bookmarkEvent(object);
    case "ERROR":
      return { ok: true, value: errorEvent(object) };
    default:
      return problem(`Kubernetes sent an event of unknown type: ${quote(text)}`);
  }
}

/** Whether a value is an object of JSON. */
export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Identity {
  readonly name: string;
  readonly version: string;
}

function setEvent<T>(object: unknown, read: ReadObject<T>): Parsed<WatchEvent<T>> {
  const item = parseObject(object, read);
  if (!item.ok) return item;
  const { name, value } = item.value;
  const version = versionOf(object);
  if (version === undefined) return problem(`Kubernetes gave ${quote(name)} without its version`);
  return { ok: true, value: { kind: "set", name, version, value } };
}

function deletedEvent(object: unknown): Parsed<WatchEvent<never>> {
  const identity = identityOf(object);
  if (identity === undefined) return problem("Kubernetes deleted something without a name");
  return { ok: true, value: { kind: "deleted", ...identity } };
}

function bookmarkEvent(object: unknown): Parsed<WatchEvent<never>> {
  const version = versionOf(object);
  if (version === undefined) return problem("Kubernetes sent a bookmark without a resourceVersion");
  return { ok: true, value: { kind: "bookmark", version } };
}

function errorEvent(status: unknown): WatchEvent<never> {
  const { code, message } = isJson(status) ? status : {};
  if (code === HTTP_GONE) return { kind: "expired" };
  const because =
    typeof message === "string" && message !== "" ? quote(message) : "no reason given";
  return { kind: "failed", cause: `Kubernetes ended a watch: ${because}` };
}

function parseObject<T>(object: unknown, read: ReadObject<T>): Parsed<{ name: string; value: T }> {
  const name = isJson(object) ? someText(metadata(object)?.["name"]) : undefined;
  if (!isJson(object) || name === undefined) {
    return problem("Kubernetes gave an object without a name");
  }
  const value = read(object);
  if (value.ok) return { ok: true, value: { name, value: value.value } };
  return problem(`Kubernetes gave ${quote(name)}, which cannot be used: ${value.problem}`);
}

function listMeta(meta: unknown): { version: string | undefined; next: string | undefined } {
  if (!isJson(meta)) return { version: undefined, next: undefined };
  return { version: someText(meta["resourceVersion"]), next: someText(meta["continue"]) };
}

function identityOf(object: unknown): Identity | undefined {
  const name = isJson(object) ? someText(metadata(object)?.["name"]) : undefined;
  const version = versionOf(object);
  return name === undefined || version === undefined ? undefined : { name, version };
}

function versionOf(object: unknown): string | undefined {
  return isJson(object) ? someText(metadata(object)?.["resourceVersion"]) : undefined;
}

function metadata(object: Json): Json | undefined {
  const meta = object["metadata"];
  return isJson(meta) ? meta : undefined;
}

/** A string that says something. */
function someText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function problem(sentence: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem: sentence };
}
