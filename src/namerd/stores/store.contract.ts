// What every dtab store must do, run by the tests of each.
import { describe, expect, test } from "bun:test";
import { until } from "../../../test/support/until.ts";
import { type Dtab, parseDtab, printDtab } from "../../naming/dtab.ts";
import type { DtabStore, Observed, StoredDtab } from "../store.ts";

/** A store for one test, without any namespace in it. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: DtabStore;
}

export function dtabOf(text: string): Dtab {
  const parsed = parseDtab(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.dtab;
}

/** Everything that a watch has told, as text: `pending`, `none`, a cause or a dtab. */
export class Told {
  readonly all: string[] = [];
  readonly #abort = new AbortController();

  constructor(store: DtabStore, namespace: string) {
    store.observe(namespace, this.#abort.signal, (dtab) => this.all.push(textOf(dtab)));
  }

  get last(): string | undefined {
    return this.all.at(-1);
  }

  stop(): void {
    this.#abort.abort();
  }
}

function textOf(dtab: Observed<StoredDtab | undefined>): string {
  switch (dtab.state) {
    case "pending":
      return "pending";
    case "failed":
      return dtab.cause;
    case "ok":
      return dtab.value === undefined ? "none" : printDtab(dtab.value.dtab);
    default:
      return dtab satisfies never;
  }
}

/** What is stored now. */
export async function read(store: DtabStore, namespace: string): Promise<StoredDtab | undefined> {
  const abort = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<StoredDtab | undefined>();
  store.observe(namespace, abort.signal, (dtab) => {
    if (dtab.state === "ok") resolve(dtab.value);
    if (dtab.state === "failed") reject(new Error(dtab.cause));
  });
  return await promise.finally(() => abort.abort());
}

export function storeContract(name: string, make: () => Promise<StoreUnderTest>): void {
  const A = dtabOf("/svc=>/a");
  const B = dtabOf("/svc=>/b;/x/*=>0.30*/p & 0.001*/q");

  describe(`${name} as a dtab store`, () => {
    test("creates a namespace once", async () => {
      await using made = await make();
      expect(await made.store.create("web", A)).toEqual({ how: "done" });
      expect(await made.store.create("web", B)).toEqual({ how: "exists" });
      expect((await read(made.store, "web"))?.dtab).toEqual(A);
    });

    test("keeps a dtab as it was given, weights included", async () => {
      await using made = await make();
      expect(await made.store.put("web", B)).toEqual({ how: "done" });
      expect((await read(made.store, "web"))?.dtab).toEqual(B);
    });

    test("changes the version with every write, even of the same dtab", async () => {
      await using made = await make();
      const seen = new Set<string>();
      for (const dtab of [A, B, A, A]) {
        await made.store.put("web", dtab);
        seen.add(Buffer.from((await read(made.store, "web"))?.version ?? []).toString("hex"));
      }
      expect(seen.size).toBe(4);
    });

    test("updates only the version that is there", async () => {
      await using made = await make();
      await made.store.put("web", A);
      const first = (await read(made.store, "web"))?.version ?? new Uint8Array();
      expect(await made.store.update("web", B, first)).toEqual({ how: "done" });
      for (const version of [first, new Uint8Array(), Uint8Array.of(1), new Uint8Array(300)])
        expect(await made.store.update("web", A, version)).toEqual({ how: "version-mismatch" });
      expect((await read(made.store, "web"))?.dtab).toEqual(B);
      expect(await made.store.update("none", A, first)).toEqual({ how: "missing" });
    });

    test("of two updates of one version, one wins", async () => {
      await using made = await make();
      await made.store.put("web", A);
      const version = (await read(made.store, "web"))?.version ?? new Uint8Array();
      const results = await Promise.all([
        made.store.update("web", A, version),
        made.store.update("web", B, version),
      ]);
      expect(results.map(({ how }) => how).sort()).toEqual(["done", "version-mismatch"]);
    });

    test("deletes, and creates anew", async () => {
      await using made = await make();
      await made.store.put("web", A);
      expect(await made.store.delete("web")).toEqual({ how: "done" });
      expect(await made.store.delete("web")).toEqual({ how: "missing" });
      expect(await read(made.store, "web")).toBeUndefined();
      expect(await made.store.create("web", B)).toEqual({ how: "done" });
    });

    test("tells watchers the present and every change, and nothing after the abort", async () => {
      await using made = await make();
      const told = new Told(made.store, "web");
      const late = new Told(made.store, "web");
      await until("the present is told", () => told.last === "none");
      await made.store.put("web", A);
      await until("the first dtab is told", () => told.last === "/svc=>/a");
      await made.store.put("web", B);
      await until("the second dtab is told", () => told.last === printDtab(B));
      await until("others hear it as well", () => late.last === printDtab(B));
      told.stop();
      const before = told.all.length;
      await made.store.delete("web");
      await until("the end is told", () => late.last === "none");
      expect(told.all.length).toBe(before);
      late.stop();
    });

    test("lists namespaces, sorted, and tells of new and old ones", async () => {
      await using made = await make();
      const abort = new AbortController();
      const lists: string[] = [];
      made.store.list(abort.signal, (list) => {
        if (list.state === "ok") lists.push(list.value.join());
      });
      await until("the present is told", () => lists.at(-1) === "");
      await made.store.put("web", A);
      await made.store.put("api", A);
      await until("both are told", () => lists.at(-1) === "api,web");
      await made.store.delete("web");
      await until("the end is told", () => lists.at(-1) === "api");
      abort.abort();
      const before = lists.length;
      await made.store.put("late", A);
      expect(await read(made.store, "late")).toBeDefined();
      expect(lists.length).toBe(before);
    });

    test("keeps an empty dtab, which is not the same as none", async () => {
      await using made = await make();
      await made.store.put("web", []);
      expect((await read(made.store, "web"))?.dtab).toEqual([]);
    });

    test("reports nothing to a signal that is aborted already", async () => {
      await using made = await make();
      await made.store.put("web", A);
      const told: unknown[] = [];
      const gone = AbortSignal.abort();
      made.store.observe("web", gone, (dtab) => told.push(dtab));
      made.store.list(gone, (list) => told.push(list));
      expect((await read(made.store, "web"))?.dtab).toEqual(A);
      expect(told).toEqual([]);
    });
  });
}
