// Reads what etcd's JSON gateway answers. Whatever the text, each function gives a value.
// Fields: etcd's api/etcdserverpb/rpc.proto as proto3 JSON, where int64 is a string and zeros are left out.
import { isRecord } from "../../lib/json.ts";
import { quote } from "../quote.ts";

/** A key with its value. */
export interface EtcdKv {
  /** The key's bytes, one character each (U+0000 to U+00FF). */
  readonly key: string;
  /** UTF-8; broken bytes are U+FFFD. Empty where only keys were asked for. */
  readonly value: string;
  /** The revision of the last write to the key. */
  readonly modRevision: bigint;
}

export type EtcdParsed<T> =
  | { readonly ok: true; readonly value: T }
  /** `cause`: one sentence for people. */
  | { readonly ok: false; readonly cause: string };

/** The keys of a range as they were at `revision`. */
export interface EtcdRange {
  /** Which etcd it is: it differs where another one has taken its place. */
  readonly cluster: string;
  readonly revision: bigint;
  readonly kvs: readonly EtcdKv[];
}

/** What a transaction came to. */
export interface EtcdTxn {
  readonly succeeded: boolean;
  /** What the first operation read, where that was a range. */
  readonly kvs: readonly EtcdKv[];
}

export type EtcdEvent =
  | { readonly kind: "put"; readonly kv: EtcdKv }
  | { readonly kind: "delete"; readonly key: string; readonly modRevision: bigint };

/** One line of a watch. */
export type EtcdMessage =
  /** The watch stands; `revision` is the member's present one. */
  | { readonly kind: "created"; readonly cluster: string; readonly revision: bigint }
  /** `whole`: the last part of its revision, after which all keys are as they were at one time. */
  | { readonly kind: "events"; readonly events: readonly EtcdEvent[]; readonly whole: boolean }
  /** Everything up to `revision` has been told. */
  | { readonly kind: "progress"; readonly revision: bigint }
  /** What was asked for is no longer kept: events before `oldest` are gone. */
  | { readonly kind: "compacted"; readonly oldest: bigint };

/** Reads the answer to /v3/kv/range. */
export function parseRange(text: string): EtcdParsed<EtcdRange> {
  const answer = parseRecord(text);
  if (answer === undefined) return garbage(text);
  const header = readHeader(answer);
  if (header === undefined) return failed("etcd gave an answer without a revision");
  const kvs = readKvs(answer["kvs"]);
  return kvs.ok ? { ok: true, value: { ...header, kvs: kvs.value } } : kvs;
}

/** Reads the answer to /v3/kv/put, of which only that it is one matters. */
export function parsePut(text: string): EtcdParsed<undefined> {
  const answer = parseRecord(text);
  if (answer === undefined || readHeader(answer) === undefined) return garbage(text);
  return { ok: true, value: undefined };
}

/** Reads the answer to /v3/kv/deleterange: how many keys were deleted. */
export function parseDelete(text: string): EtcdParsed<bigint> {
  const answer = parseRecord(text);
  if (answer === undefined || readHeader(answer) === undefined) return garbage(text);
  const deleted = readInt(answer["deleted"] ?? "0");
  return deleted === undefined ? garbage(text) : { ok: true, value: deleted };
}

/** Reads the answer to /v3/kv/txn. */
export function parseTxn(text: string): EtcdParsed<EtcdTxn> {
  const answer = parseRecord(text);
  if (answer === undefined || readHeader(answer) === undefined) return garbage(text);
  const { succeeded = false, responses = [] } = answer;
  if (typeof succeeded !== "boolean" || !Array.isArray(responses)) return garbage(text);
  const first: unknown = responses[0];
  const range = isRecord(first) ? first["response_range"] : undefined;
  const kvs = readKvs(isRecord(range) ? range["kvs"] : undefined);
  return kvs.ok ? { ok: true, value: { succeeded, kvs: kvs.value } } : kvs;
}

/** Reads one line of /v3/watch. What ends the watch, other than compaction, is a failure. */
export function parseWatchLine(text: string): EtcdParsed<EtcdMessage> {
  const line = parseRecord(text);
  const result = line?.["result"];
  if (!isRecord(result)) return watchFailure(line?.["error"], text);
  if (result["canceled"] === true) return canceled(result);
  const header = readHeader(result);
  if (header === undefined) return failed("etcd gave a part of a watch without a revision");
  if (result["created"] === true) return { ok: true, value: { kind: "created", ...header } };
  const { events } = result;
  if (events === undefined) {
    return { ok: true, value: { kind: "progress", revision: header.revision } };
  }
  const read = readList(events, "events", readEvent);
  if (!read.ok) return read;
  const whole = result["fragment"] !== true;
  return { ok: true, value: { kind: "events", events: read.value, whole } };
}

function canceled(result: Record<string, unknown>): EtcdParsed<EtcdMessage> {
  const oldest = readInt(result["compact_revision"] ?? "0") ?? 0n;
  if (oldest > 0n) return { ok: true, value: { kind: "compacted", oldest } };
  const reason = result["cancel_reason"];
  const because = typeof reason === "string" && reason !== "" ? `: ${quote(reason)}` : "";
  return failed(`etcd canceled the watch${because}`);
}

function watchFailure(error: unknown, text: string): EtcdParsed<never> {
  const message = isRecord(error) ? error["message"] : undefined;
  if (typeof message !== "string") return garbage(text);
  return failed(`etcd ended the watch: ${quote(message)}`);
}

function readEvent(event: unknown): EtcdEvent | undefined {
  if (!isRecord(event)) return undefined;
  const kv = readKv(event["kv"]);
  if (kv === undefined) return undefined;
  // PUT is the zero of its enumeration, and so left out.
  const { type = "PUT" } = event;
  if (type === "PUT") return { kind: "put", kv };
  if (type !== "DELETE") return undefined;
  return { kind: "delete", key: kv.key, modRevision: kv.modRevision };
}

function readKvs(kvs: unknown): EtcdParsed<readonly EtcdKv[]> {
  return readList(kvs ?? [], "kvs", readKv);
}

function readList<T>(
  list: unknown,
  name: string,
  read: (item: unknown) => T | undefined,
): EtcdParsed<readonly T[]> {
  if (!Array.isArray(list)) return failed(`etcd gave ${name} that are no list`);
  const items: T[] = [];
  for (const [index, item] of list.entries()) {
    const value = read(item);
    if (value === undefined) return failed(`etcd gave ${name}[${index}] that cannot be read`);
    items.push(value);
  }
  return { ok: true, value: items };
}

function readKv(kv: unknown): EtcdKv | undefined {
  if (!isRecord(kv)) return undefined;
  const key = decodeBase64(kv["key"]);
  const value = decodeBase64(kv["value"] ?? "");
  const modRevision = readInt(kv["mod_revision"]);
  if (key === undefined || value === undefined || modRevision === undefined) return undefined;
  return { key: key.toString("latin1"), value: new TextDecoder().decode(value), modRevision };
}

function readHeader(
  answer: Record<string, unknown>,
): { readonly cluster: string; readonly revision: bigint } | undefined {
  const header = answer["header"];
  if (!isRecord(header)) return undefined;
  const revision = readInt(header["revision"]);
  const cluster = header["cluster_id"] ?? "0";
  if (revision === undefined || typeof cluster !== "string") return undefined;
  return { cluster, revision };
}

/** An int64 that is not negative. */
function readInt(value: unknown): bigint | undefined {
  return typeof value === "string" && /^\d{1,19}$/.test(value) ? BigInt(value) : undefined;
}

function decodeBase64(value: unknown): Buffer | undefined {
  if (typeof value !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return undefined;
  return Buffer.from(value, "base64");
}

function failed(cause: string): EtcdParsed<never> {
  return { ok: false, cause };
}

function garbage(text: string): EtcdParsed<never> {
  return failed(`etcd gave an answer that cannot be read: ${quote(text)}`);
}

function parseRecord(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    // Not JSON, or nested deeper than the parser goes.
    return undefined;
  }
}
