import { describe, expect, test } from "bun:test";
import type { Resolution } from "../naming/resolution.ts";
import type { LookupTree, Outcome } from "../naming/tree.ts";
import { NEG } from "./leaf-namer.ts";
import { rewriteNamer } from "./rewrite-namer.ts";

function namerFor(pattern: string, name: string) {
  return rewriteNamer({ kind: "io.l5d.rewrite", prefix: "/rewrite", pattern, name });
}

async function lookup(pattern: string, name: string, path: readonly string[]) {
  const told: Outcome<LookupTree>[] = [];
  namerFor(pattern, name).lookup(path, new AbortController().signal, (it) => told.push(it));
  expect(told).toEqual([]);
  await Promise.resolve();
  expect(told.length).toBe(1);
  return told[0];
}

const to = (...path: readonly string[]): Outcome<LookupTree> => ({
  state: "ok",
  value: { kind: "leaf", value: { kind: "path", path } },
});

describe("rewriteNamer()", () => {
  test("puts the name with its captures in the place of the whole path, what comes after the pattern included", async () => {
    expect(await lookup("/{service}/api", "/svc/{service}", ["web", "api"])).toEqual(
      to("svc", "web"),
    );
    expect(await lookup("/{service}/api", "/svc/{service}", ["web", "api", "v1", "x"])).toEqual(
      to("svc", "web"),
    );
    expect(await lookup("/{A}.{B}", "/{B}/{A}", ["www.foo.com"])).toEqual(to("com", "www.foo"));
    expect(await lookup("/*/{B}", "/x-{B}", ["any", "b"])).toEqual(to("x-b"));
  });

  test("a path that has not the form is neg", async () => {
    for (const path of [["web"], ["web", "ui"], []]) {
      expect(await lookup("/{service}/api", "/svc/{service}", path)).toEqual(NEG);
    }
  });

  test("what is captured stays within its segment, and leaves none empty", async () => {
    expect(await lookup("/{A}", "/svc/{A}", ["a/../b"])).toEqual(to("svc", "a/../b"));
    expect(await lookup("/x{A}", "/svc/{A}", ["x"])).toEqual(NEG);
  });

  test("knows no addresses", async () => {
    const told: Resolution[] = [];
    const namer = namerFor("/{A}", "/svc/{A}");
    namer.addresses(["x"], new AbortController().signal, (it) => told.push(it));
    namer.addresses(["x"], AbortSignal.abort(), (it) => told.push(it));
    await Promise.resolve();
    expect(told).toEqual([{ state: "neg" }]);
    expect(namer.status()).toMatchObject({ names: 0, failing: undefined });
  });

  test("refuses what the configuration should have refused", () => {
    expect(() => namerFor("{A}", "/svc")).toThrow("no pattern");
    expect(() => namerFor("/{A}", "svc")).toThrow("no name");
  });
});
