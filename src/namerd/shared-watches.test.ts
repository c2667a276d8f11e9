import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { SharedWatches } from "./shared-watches.ts";

/** Sources that count how often they are opened and closed. */
class Sources {
  readonly opened: string[] = [];
  readonly closed: string[] = [];
  readonly tell = new Map<string, (value: number) => void>();

  open(key: string) {
    return (signal: AbortSignal, report: (value: number) => void): void => {
      this.opened.push(key);
      this.tell.set(key, report);
      signal.addEventListener("abort", () => this.closed.push(key));
    };
  }
}

function watch(
  shared: SharedWatches<number>,
  sources: Sources,
  key: string,
): { readonly values: number[]; readonly stop: () => void } {
  const abort = new AbortController();
  const values: number[] = [];
  shared.watch(key, sources.open(key), abort.signal, (value) => values.push(value));
  return { values, stop: () => abort.abort() };
}

const OPTIONS = { idleMs: 1_000, mostIdle: 2 };
const turn = (): Promise<void> => Promise.resolve();

describe("SharedWatches", () => {
  test("follows one thing once, and tells those who come later the present", async () => {
    const sources = new Sources();
    const shared = new SharedWatches<number>({ ...OPTIONS, clock: new FakeClock() });
    const first = watch(shared, sources, "a");
    await turn();
    sources.tell.get("a")?.(1);
    const second = watch(shared, sources, "a");
    await turn();
    sources.tell.get("a")?.(2);
    expect([first.values, second.values, sources.opened]).toEqual([[1, 2], [1, 2], ["a"]]);
  });

  test("keeps what nobody watches for a time, and closes it then", async () => {
    const clock = new FakeClock();
    const sources = new Sources();
    const shared = new SharedWatches<number>({ ...OPTIONS, clock });
    watch(shared, sources, "a").stop();
    clock.advance(999);
    const again = watch(shared, sources, "a");
    clock.advance(5_000);
    expect([sources.opened, sources.closed, clock.pending]).toEqual([["a"], [], 0]);
    again.stop();
    clock.advance(1_000);
    expect([sources.closed, shared.size, clock.pending]).toEqual([["a"], 0, 0]);
    watch(shared, sources, "a");
    expect(sources.opened).toEqual(["a", "a"]);
  });

  test("keeps no more than it may, the oldest go first", () => {
    const clock = new FakeClock();
    const sources = new Sources();
    const shared = new SharedWatches<number>({ ...OPTIONS, clock });
    for (const key of ["a", "b", "c", "d"]) watch(shared, sources, key).stop();
    expect(sources.closed).toEqual(["a", "b"]);
    expect([shared.size, clock.pending]).toEqual([2, 2]);
  });

  test("leaves nothing when it is stopped", async () => {
    const clock = new FakeClock();
    const sources = new Sources();
    const shared = new SharedWatches<number>({ ...OPTIONS, clock });
    const busy = watch(shared, sources, "a");
    watch(shared, sources, "b").stop();
    await turn();
    shared.stop();
    sources.tell.get("a")?.(1);
    busy.stop();
    expect([sources.closed, busy.values, clock.pending, shared.size]).toEqual([
      ["a", "b"],
      [],
      0,
      0,
    ]);
  });

  test("opens nothing for a signal that is aborted", () => {
    const sources = new Sources();
    const shared = new SharedWatches<number>({ ...OPTIONS, clock: new FakeClock() });
    shared.watch("a", sources.open("a"), AbortSignal.abort(), () => {});
    expect(sources.opened).toEqual([]);
  });
});
