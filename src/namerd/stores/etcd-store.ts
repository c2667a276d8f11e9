// `io.l5d.etcd`: dtabs in etcd, one key for each namespace, shared by all namerds that use the same prefix.
import type { NamerTlsConfig } from "../../config/namer-types.ts";
import {
  EtcdClient,
  type EtcdResult,
  keysBelow,
  type KeyRange,
} from "../../discovery/etcd/etcd-client.ts";
import { keyPrefix } from "../../discovery/etcd/etcd-keys.ts";
import { type EtcdState, EtcdWatch } from "../../discovery/etcd/etcd-watch.ts";
import { httpTls } from "../../discovery/http-tls.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Rng } from "../../lib/rng.ts";
import { type Dtab, printDtab } from "../../naming/dtab.ts";
import type { Logger } from "../../telemetry/log.ts";
import type { DtabStore, Observed, StoredDtab, WriteResult } from "../store.ts";
import { EtcdDtabs, isNamespace, revisionOf } from "./etcd-dtabs.ts";
import { EtcdObserver } from "./etcd-observer.ts";

export interface EtcdStoreConfig {
  /** http or https URLs of the members without a path, in the order in which they are tried. */
  readonly baseUrls: readonly string[];
  /** Keys are `<pathPrefix>/<namespace>`, as in namerd by default below `/namerd/dtabs`. */
  readonly pathPrefix: string;
  readonly tls: NamerTlsConfig | undefined;
}

export interface EtcdStoreDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

/** A member of the observers, whatever it observes. */
type Observer = Pick<EtcdObserver<unknown>, "update" | "fail" | "stop">;

const DONE: WriteResult = { how: "done" };
const INVALID: WriteResult = {
  how: "invalid-namespace",
  cause: "the name of a namespace is made of letters, digits, - and _",
};

/** One watch of all keys serves all observers, from the first of them until `close`. */
export class EtcdStore implements DtabStore {
  readonly #prefix: string;
  readonly #client: EtcdClient;
  readonly #deps: EtcdStoreDeps;
  readonly #dtabs: EtcdDtabs;
  readonly #observers = new Set<Observer>();
  readonly #closed = new AbortController();
  #watch: EtcdWatch | undefined;
  #state: EtcdState | undefined;

  constructor({ baseUrls, pathPrefix, tls }: EtcdStoreConfig, deps: EtcdStoreDeps) {
    this.#prefix = keyPrefix(pathPrefix);
    this.#client = new EtcdClient({ baseUrls, tls: tls && httpTls(tls) }, deps.clock);
    this.#deps = deps;
    this.#dtabs = new EtcdDtabs(this.#prefix, deps.log);
  }

  list(signal: AbortSignal, report: (namespaces: Observed<readonly string[]>) => void): void {
    this.#follow(keysBelow(this.#prefix), () => this.#dtabs.list(), signal, report);
  }

  observe(
    namespace: string,
    signal: AbortSignal,
    report: (dtab: Observed<StoredDtab | undefined>) => void,
  ): void {
    // A name that cannot be is followed like any other: nothing is ever found below it.
    const range = { key: this.#keyOf(namespace), end: undefined };
    this.#follow(range, () => this.#dtabs.get(namespace), signal, report);
  }

  async create(namespace: string, dtab: Dtab): Promise<WriteResult> {
    if (!isNamespace(namespace)) return INVALID;
    const result = await this.#write(namespace, dtab, 0n);
    return result.ok ? (result.value.succeeded ? DONE : { how: "exists" }) : failed(result);
  }

  async update(namespace: string, dtab: Dtab, version: Uint8Array): Promise<WriteResult> {
    if (!isNamespace(namespace)) return { how: "missing" };
    const revision = revisionOf(version);
    if (revision === undefined) return this.#refuse(namespace);
    const result = await this.#write(namespace, dtab, revision);
    if (!result.ok) return failed(result);
    if (result.value.succeeded) return DONE;
    return { how: result.value.kvs.length === 0 ? "missing" : "version-mismatch" };
  }

  async put(namespace: string, dtab: Dtab): Promise<WriteResult> {
    if (!isNamespace(namespace)) return INVALID;
    const { signal } = this.#closed;
    const result = await this.#client.put(this.#keyOf(namespace), printDtab(dtab), signal);
    return result.ok ? DONE : failed(result);
  }

  async delete(namespace: string): Promise<WriteResult> {
    if (!isNamespace(namespace)) return { how: "missing" };
    const result = await this.#client.delete(this.#keyOf(namespace), this.#closed.signal);
    if (!result.ok) return failed(result);
    return result.value > 0n ? DONE : { how: "missing" };
  }

  close(): void {
    this.#closed.abort();
    this.#watch?.stop();
    for (const observer of this.#observers) observer.stop();
    this.#observers.clear();
  }

  #write(namespace: string, dtab: Dtab, modRevision: bigint) {
    const put = { key: this.#keyOf(namespace), value: printDtab(dtab), modRevision };
    return this.#client.guardedPut(put, this.#closed.signal);
  }

  /** Of an update with a version that no dtab can have. */
  async #refuse(namespace: string): Promise<WriteResult> {
    const range = { key: this.#keyOf(namespace), end: undefined };
    const result = await this.#client.range(range, this.#closed.signal, true);
    if (!result.ok) return { how: "failed", cause: result.cause };
    return { how: result.value.kvs.length === 0 ? "missing" : "version-mismatch" };
  }

  #follow<T>(
    range: KeyRange,
    view: () => Observed<T>,
    signal: AbortSignal,
    report: (value: Observed<T>) => void,
  ): void {
    if (signal.aborted || this.#closed.signal.aborted) return;
    const observer = new EtcdObserver(range, view, report);
    this.#observers.add(observer);
    const leave = (): void => {
      observer.stop();
      this.#observers.delete(observer);
    };
    signal.addEventListener("abort", leave, { once: true });
    // It reports nothing yet: it has not heard from etcd.
    if (this.#state !== undefined) observer.update(this.#state);
    void observer.begin(this.#client);
    this.#watch ??= this.#startWatch();
  }

  #startWatch(): EtcdWatch {
    const deps = { ...this.#deps, metrics: { observeLatency() {} } };
    return new EtcdWatch(this.#client, keysBelow(this.#prefix), deps, {
      state: (state) => {
        this.#state = state;
        this.#dtabs.take(state.kvs.values());
        for (const observer of [...this.#observers]) observer.update(state);
      },
      failed: (cause) => {
        for (const observer of [...this.#observers]) observer.fail(cause);
      },
    });
  }

  #keyOf(namespace: string): string {
    return `${this.#prefix}${Buffer.from(namespace, "utf8").toString("latin1")}`;
  }
}

function failed(result: Extract<EtcdResult<unknown>, { ok: false }>): WriteResult {
  const unknown = "; it is not known whether the dtab was written";
  return { how: "failed", cause: `${result.cause}${result.mayBeDone ? unknown : ""}` };
}
