import { describe, expect, test } from "bun:test";
import { LocalStore } from "./local-store.ts";
import { memoryStore } from "./memory-store.ts";
import { dtabOf, read, storeContract, Told } from "./store.contract.ts";
import { versionOf } from "./versions.ts";

storeContract("io.l5d.inMemory", async () => {
  const store = memoryStore(new Map());
  return { store, [Symbol.asyncDispose]: async () => store.close() };
});

const A = dtabOf("/svc=>/a");

describe("the store in memory", () => {
  test("counts versions from 1, and from 1 again after a delete", async () => {
    const store = memoryStore(new Map([["default", A]]));
    const etag = async (): Promise<string> =>
      Buffer.from((await read(store, "default"))?.version ?? []).toString("base64");
    expect(await etag()).toBe("AAAAAAAAAAE=");
    await store.put("default", A);
    expect(await etag()).toBe("AAAAAAAAAAI=");
    await store.delete("default");
    await store.create("default", A);
    expect(await etag()).toBe("AAAAAAAAAAE=");
  });

  test("refuses names that are empty or very long", async () => {
    const store = memoryStore(new Map());
    for (const name of ["", "n".repeat(256)]) {
      const cause = "a namespace has a name of 1 to 255 characters";
      expect(await store.put(name, A)).toEqual({ how: "invalid-namespace", cause });
      expect(await store.create(name, A)).toEqual({ how: "invalid-namespace", cause });
    }
    expect(await store.put("n".repeat(255), A)).toEqual({ how: "done" });
  });
});

test("what the journal refuses is told to nobody", async () => {
  const fail = (): void => {
    throw new Error("the disk is full");
  };
  const journal = { nextVersion: () => versionOf(2), put: fail, delete: fail, close() {} };
  const store = new LocalStore(journal, new Map([["web", { dtab: A, version: versionOf(1) }]]));
  const told = new Told(store, "web");
  const failed = { how: "failed", cause: "the disk is full" } as const;
  expect(await store.put("web", [])).toEqual(failed);
  expect(await store.create("new", [])).toEqual(failed);
  expect(await store.delete("web")).toEqual(failed);
  expect(await read(store, "web")).toEqual({ dtab: A, version: versionOf(1) });
  expect(await read(store, "new")).toBeUndefined();
  expect(told.all).toEqual(["/svc=>/a"]);
});
