import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FakeNameService } from "../../test/support/fake-name-service.ts";
import { type Dtab, parseDtab } from "../naming/dtab.ts";
import type { BoundTree, Outcome } from "../naming/tree.ts";
import { Names } from "./names.ts";
import type { DtabStore } from "./store.ts";
import { memoryStore } from "./stores/memory-store.ts";

function dtab(text: string): Dtab {
  const parsed = parseDtab(text);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.dtab;
}

/** Counts how often it is asked to bind. */
class CountingService extends FakeNameService {
  readonly bound: unknown[] = [];

  override bind(...args: Parameters<FakeNameService["bind"]>): void {
    this.bound.push(args[0]);
    super.bind(...args);
  }
}

let clock: FakeClock;
let service: CountingService;
let store: DtabStore;
let names: Names;

beforeEach(() => {
  clock = new FakeClock();
  service = new CountingService();
  store = memoryStore(new Map([["x", dtab("/svc=>/a")]]));
  names = new Names(service, store, clock);
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function watch(path: readonly string[], own: Dtab = []) {
  const abort = new AbortController();
  const told: Outcome<BoundTree>[] = [];
  names.tree({ namespace: "x", dtab: own, path }, abort.signal, (tree) => told.push(tree));
  await turn();
  return { told, stop: () => abort.abort() };
}

describe("Names", () => {
  test("keeps a tree for the next poll, but not one of rules that a request brought, or of a long path", async () => {
    const long = Array.from({ length: 33 }, () => "l");
    for (const [path, own, kept] of [
      [["web"], "", 1],
      [["own"], "/svc=>/b", 0],
      [long, "", 0],
    ] as const) {
      const printed = `/${path.join("/")}`;
      const { stop } = await watch(path, dtab(own));
      expect(service.watchers(printed)).toBe(1);
      stop();
      clock.advance(0);
      expect(service.watchers(printed)).toBe(kept);
    }
    names.stop();
    expect([service.watchers("/web"), clock.pending]).toEqual([0, 0]);
  });

  test("binds in a changed dtab after its writer was answered, and in the latest only", async () => {
    const { told, stop } = await watch(["web"]);
    service.leaf("/web", "/#/x/a");
    expect(service.bound.length).toBe(1);
    const [second, third] = [dtab("/svc=>/b"), dtab("/svc=>/c")];
    for (const rules of [second, third])
      expect(await store.put("x", rules)).toMatchObject({ how: "done" });
    await turn();
    expect(service.bound.length).toBe(1);
    clock.advance(0);
    await turn();
    expect(service.bound.slice(1)).toEqual([third]);
    expect([service.watchers("/web"), told.length]).toEqual([1, 1]);
    await store.put("x", second);
    names.stop();
    stop();
    clock.advance(0);
    expect([service.bound.length, service.watchers("/web"), clock.pending]).toEqual([2, 0, 0]);
  });

  test("tells the same tree as the same object, whatever came between", async () => {
    const { told } = await watch(["web"]);
    service.leaf("/web", "/#/x/a");
    service.leaf("/web", "/#/x/a");
    service.tree("/web", { state: "failed", cause: "boom" });
    service.leaf("/web", "/#/x/a");
    service.leaf("/web", "/#/x/b");
    expect(told.map(({ state }) => state)).toEqual(["ok", "failed", "ok", "ok"]);
    const trees = told.map((tree) => (tree.state === "ok" ? tree.value : undefined));
    expect(trees[2] === trees[0]).toBe(true);
    expect(trees[3]).not.toEqual(trees[0]);
    names.stop();
  });
});
