// The namespaces that stand in etcd: which keys are namespaces, and what their texts say.
import type { EtcdKv } from "../../discovery/etcd/etcd-answer.ts";
import { printKey } from "../../discovery/etcd/etcd-keys.ts";
import { parseDtab } from "../../naming/dtab.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { Observed, StoredDtab } from "../store.ts";

interface Namespace {
  readonly kv: EtcdKv;
  /** The last text that was a dtab, and its version; undefined where none was. */
  readonly stored: StoredDtab | undefined;
  /** Why the present text is no dtab. */
  readonly problem: string | undefined;
}

/** Revisions are of type int64. */
const MAX_REVISION = 2n ** 63n - 1n;
const NAMESPACE = /^[A-Za-z0-9_-]+$/;

/** Whether there can be a namespace of that name. */
export function isNamespace(text: string): boolean {
  return NAMESPACE.test(text);
}

/** The version of a dtab: the revision of its key's last write, in decimal. */
export function versionOf(modRevision: bigint): Uint8Array {
  return new TextEncoder().encode(`${modRevision}`);
}

/** What `versionOf` was given; undefined for bytes that are no version of a key. */
export function revisionOf(version: Uint8Array): bigint | undefined {
  const text = new TextDecoder().decode(version);
  const revision = /^[1-9]\d{0,18}$/.test(text) ? BigInt(text) : undefined;
  return revision !== undefined && revision <= MAX_REVISION ? revision : undefined;
}

/** What is known of all namespaces. A text that is no dtab is told once, and the last good one stays. */
export class EtcdDtabs {
  readonly #prefix: string;
  readonly #log: Logger;
  #namespaces = new Map<string, Namespace>();

  /** `prefix`: what the keys of namespaces begin with. */
  constructor(prefix: string, log: Logger) {
    this.#prefix = prefix;
    this.#log = log;
  }

  /** Takes the present keys in place of those before. Keys that cannot be namespaces are none of ours. */
  take(kvs: Iterable<EtcdKv>): void {
    const namespaces = new Map<string, Namespace>();
    for (const kv of kvs) {
      const name = kv.key.slice(this.#prefix.length);
      if (isNamespace(name)) namespaces.set(name, this.#read(kv, this.#namespaces.get(name)));
    }
    this.#namespaces = namespaces;
  }

  /** All names, sorted. */
  list(): Observed<readonly string[]> {
    return { state: "ok", value: [...this.#namespaces.keys()].sort() };
  }

  /** The dtab of a namespace; the same object for as long as it does not change. */
  get(name: string): Observed<StoredDtab | undefined> {
    const { stored, problem } = this.#namespaces.get(name) ?? {};
    if (stored === undefined && problem !== undefined) return { state: "failed", cause: problem };
    return { state: "ok", value: stored };
  }

  #read(kv: EtcdKv, before: Namespace | undefined): Namespace {
    // The text too: after a backup was restored, a revision may be that of another write.
    if (before?.kv.modRevision === kv.modRevision && before.kv.value === kv.value) return before;
    const parsed = parseDtab(kv.value);
    if (parsed.ok) {
      const stored = { dtab: parsed.dtab, version: versionOf(kv.modRevision) };
      return { kv, stored, problem: undefined };
    }
    const key = printKey(kv.key);
    const { line, column, message } = parsed;
    this.#log.warn("etcd holds a text that is no dtab; the last good one stays", () => ({
      key,
      line,
      column,
      problem: message,
    }));
    const problem = `${key} in etcd is no dtab: line ${line}, column ${column}: ${message}`;
    return { kv, stored: before?.stored, problem };
  }
}
