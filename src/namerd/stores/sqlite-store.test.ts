import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "bun:sqlite";
import type { DtabStore } from "../store.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { StorageError } from "../storage-error.ts";
import { sqliteStore } from "./sqlite-store.ts";
import { dtabOf, read, storeContract } from "./store.contract.ts";

const folder = mkdtempSync(join(tmpdir(), "l5d-sqlite-"));
let files = 0;
const newPath = (): string => join(folder, `${++files}.db`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

storeContract("io.l5d.sqlite", async () => {
  const store = sqliteStore(newPath(), new Map());
  return { store, [Symbol.asyncDispose]: async () => store.close() };
});

const A = dtabOf("/svc=>/a");
const B = dtabOf("/svc=>/b");

async function versionOfWeb(store: DtabStore): Promise<string> {
  return Buffer.from((await read(store, "web"))?.version ?? []).toString("hex");
}

describe("the store in a file", () => {
  test("has what was written when it is opened again, and fills only a new file", async () => {
    const path = newPath();
    const first = sqliteStore(path, new Map([["default", A]]));
    await first.put("web", B);
    await first.delete("default");
    const version = await versionOfWeb(first);
    first.close();
    const second = sqliteStore(path, new Map([["default", A]]));
    expect(await read(second, "default")).toBeUndefined();
    expect((await read(second, "web"))?.dtab).toEqual(B);
    expect(await versionOfWeb(second)).toBe(version);
    second.close();
  });

  test("never gives a version twice: not after a delete, not after a restart", async () => {
    const path = newPath();
    const seen: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const store = sqliteStore(path, new Map());
      await store.put("web", A);
      seen.push(await versionOfWeb(store));
      await store.delete("web");
      await store.put("web", A);
      seen.push(await versionOfWeb(store));
      store.close();
    }
    expect(new Set(seen).size).toBe(6);
  });

  test("belongs to one process", () => {
    const path = newPath();
    const store = sqliteStore(path, new Map());
    expect(() => sqliteStore(path, new Map())).toThrow("another process has this file open");
    store.close();
    sqliteStore(path, new Map()).close();
  });

  test("fails all writes while its file is deleted or replaced, and tells it once", async () => {
    const path = newPath();
    const lines: string[] = [];
    const log = { ...silentLogger, error: (message: string) => lines.push(message) };
    const store = sqliteStore(path, new Map([["web", A]]), log);
    const failed = { how: "failed", cause: expect.stringContaining(`${path} was deleted`) };
    renameSync(path, `${path}.away`);
    expect(await store.put("web", B)).toMatchObject(failed);
    writeFileSync(path, "another file");
    expect(await store.create("new", B)).toMatchObject(failed);
    expect(await store.delete("web")).toMatchObject(failed);
    expect((await read(store, "web"))?.dtab).toEqual(A);
    expect(lines).toEqual(["the file of the dtabs is gone"]);
    renameSync(`${path}.away`, path);
    expect(await store.put("web", B)).toEqual({ how: "done" });
    store.close();
    const again = sqliteStore(path, new Map());
    expect((await read(again, "web"))?.dtab).toEqual(B);
    again.close();
  });

  test("refuses files of others, and says which", () => {
    const text = newPath();
    writeFileSync(text, "this is no database".repeat(100));
    expect(() => sqliteStore(text, new Map())).toThrow(`${text}: it cannot be used as storage`);
    const other = newPath();
    new Database(other).run("CREATE TABLE notes (text TEXT)");
    expect(() => sqliteStore(other, new Map())).toThrow("a database of another program");
    const nowhere = join(folder, "none", "a.db");
    expect(() => sqliteStore(nowhere, new Map())).toThrow(StorageError);
    expect(existsSync(nowhere)).toBe(false);
  });

  test("refuses a dtab that it cannot read, instead of forgetting it", () => {
    const path = newPath();
    sqliteStore(path, new Map([["web", A]])).close();
    const database = new Database(path);
    database.run("UPDATE dtabs SET dtab = 'nonsense'");
    database.close();
    expect(() => sqliteStore(path, new Map())).toThrow("the dtab of web cannot be read");
  });
});
