// `/dtabs`: the namespaces and their dtabs, to be read, watched and written.
import type { DtabStore, Observed, StoredDtab, WriteResult } from "../store.ts";
import type { Dtab } from "../../naming/dtab.ts";
import { lineOf, type Names } from "../names.ts";
import { acceptedType, type DtabType, dtabType, readDtab, renderDtab } from "./dtab-text.ts";
import {
  type ApiAnswer,
  type ApiRequest,
  json,
  JSON_TYPE,
  type LineSink,
  SourceFailure,
  whole,
} from "./exchange.ts";
import { firstOf } from "./first.ts";

/** How writes ended, for whoever counts them. */
export type CountWrite = (result: WriteResult["how"]) => void;

/** Answers below `/dtabs`. */
export class Dtabs {
  readonly #store: DtabStore;
  readonly #names: Names;
  readonly #countWrite: CountWrite;
  /** Lines by dtab and type, made once for all who watch. */
  readonly #lines = new WeakMap<Dtab, Map<DtabType, Uint8Array>>();

  constructor(store: DtabStore, names: Names, countWrite: CountWrite) {
    this.#store = store;
    this.#names = names;
    this.#countWrite = countWrite;
  }

  /** Answers `/dtabs`, whatever the method. */
  async list({ params, signal }: ApiRequest): Promise<ApiAnswer> {
    const watch = (
      stop: AbortSignal,
      report: (namespaces: Observed<readonly string[]>) => void,
    ): void => this.#store.list(stop, report);
    const line = (namespaces: readonly string[]): Uint8Array => lineOf(JSON.stringify(namespaces));
    if (!params.flag("watch")) return json(line(await firstOf(signal, watch, valueOrThrow)));
    const follow = (sink: LineSink): void =>
      watch(signal, (namespaces) => {
        if (namespaces.state === "ok") sink.send(line(namespaces.value));
        if (namespaces.state === "failed") sink.end(namespaces.cause);
      });
    return { kind: "watch", headers: { "Content-Type": JSON_TYPE }, follow };
  }

  /** Answers `/dtabs/<ns>`. */
  async namespace(request: ApiRequest, namespace: string): Promise<ApiAnswer> {
    switch (request.method) {
      case "HEAD":
        return await this.#head(request, namespace);
      case "GET":
        return request.params.flag("watch")
          ? this.#watch(request, namespace)
          : await this.#get(request, namespace);
      case "PUT":
        return await this.#put(request, namespace);
      case "POST":
        return await this.#post(request, namespace);
      case "DELETE":
        return this.#written(await this.#store.delete(namespace));
      default:
        return whole(404);
    }
  }

  async #head({ signal }: ApiRequest, namespace: string): Promise<ApiAnswer> {
    const stored = await this.#read(namespace, signal);
    return stored === undefined ? whole(404) : whole(200, "", { ETag: etagOf(stored.version) });
  }

  async #get({ header, signal }: ApiRequest, namespace: string): Promise<ApiAnswer> {
    const stored = await this.#read(namespace, signal);
    if (stored === undefined) return whole(404);
    const type = acceptedType(header("accept"));
    const headers = { "Content-Type": type, ETag: etagOf(stored.version) };
    return whole(200, lineOf(renderDtab(stored.dtab, type)), headers);
  }

  /** A namespace that is not there, or is deleted, says nothing: it may come. */
  #watch({ header, signal }: ApiRequest, namespace: string): ApiAnswer {
    const type = acceptedType(header("accept"));
    const follow = (sink: LineSink): void =>
      this.#names.dtab(namespace, signal, (observed) => {
        if (observed.state === "failed") sink.end(observed.cause);
        if (observed.state !== "ok" || observed.value === undefined) return;
        sink.send(this.#lineFor(observed.value.dtab, type));
      });
    return { kind: "watch", headers: { "Content-Type": type }, follow };
  }

  #lineFor(dtab: Dtab, type: DtabType): Uint8Array {
    const lines = this.#lines.get(dtab) ?? new Map<DtabType, Uint8Array>();
    const line = lines.get(type) ?? lineOf(renderDtab(dtab, type));
    this.#lines.set(dtab, lines.set(type, line));
    return line;
  }

  async #put({ header, body }: ApiRequest, namespace: string): Promise<ApiAnswer> {
    const type = dtabType(header("content-type"));
    if (type === undefined) {
      return whole(400, `Invalid Content-Type "${header("content-type") ?? ""}". `);
    }
    const read = readDtab(body, type);
    if (!read.ok) return whole(400, read.message);
    const match = header("if-match");
    return this.#written(
      match === undefined
        ? await this.#store.put(namespace, read.dtab)
        : await this.#store.update(namespace, read.dtab, versionOfTag(match)),
    );
  }

  async #post({ header, body }: ApiRequest, namespace: string): Promise<ApiAnswer> {
    const type: DtabType | undefined = dtabType(header("content-type"));
    if (type === undefined) return whole(400);
    const read = readDtab(body, type);
    if (!read.ok) return whole(400, read.message);
    return this.#written(await this.#store.create(namespace, read.dtab));
  }

  #read(namespace: string, signal: AbortSignal): Promise<StoredDtab | undefined> {
    // Boxed, as "none" is an answer too.
    const boxed = firstOf(
      signal,
      (stop, report: (observed: Observed<StoredDtab | undefined>) => void) =>
        this.#store.observe(namespace, stop, report),
      (observed) => valueOrThrow(boxOf(observed)),
    );
    return boxed.then(({ stored }) => stored);
  }

  #written(result: WriteResult): ApiAnswer {
    this.#countWrite(result.how);
    switch (result.how) {
      case "done":
        return whole(204);
      case "exists":
        return whole(409);
      case "missing":
        return whole(404);
      case "version-mismatch":
        return whole(412);
      case "invalid-namespace":
        return whole(400, result.cause);
      case "failed":
        throw new SourceFailure(result.cause);
      default:
        return result satisfies never;
    }
  }
}

function boxOf(
  observed: Observed<StoredDtab | undefined>,
): Observed<{ readonly stored: StoredDtab | undefined }> {
  return observed.state === "ok" ? { state: "ok", value: { stored: observed.value } } : observed;
}

function valueOrThrow<T>(observed: Observed<T>): T | undefined {
  if (observed.state === "failed") throw new SourceFailure(observed.cause);
  return observed.state === "ok" ? observed.value : undefined;
}

/** Without quotes: it is what clients of namerd send back. */
function etagOf(version: Uint8Array): string {
  return Buffer.from(version).toString("base64");
}

/** What is no base64 does not count (RFC 2045 §6.8), quotes among it. */
function versionOfTag(tag: string): Uint8Array {
  return Buffer.from(tag.replace(/[^A-Za-z0-9+/]/g, ""), "base64");
}
