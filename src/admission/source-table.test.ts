import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { newSourceTable, SourceTable } from "./source-table.ts";

function table(capacity: number, workers = 1) {
  const size = { capacity, workers };
  return new SourceTable(newSourceTable(size, 7), size);
}

const source = (number: number): Uint32Array => Uint32Array.of(0, 0, 0xffff, 0xff00_0000 + number);

describe("SourceTable", () => {
  test("counts connections by worker, and sums them up", () => {
    const sources = table(10, 3);
    const slot = sources.findOrAdd(source(1), 0);
    for (const worker of [0, 1, 1, 2]) sources.add(slot, worker);
    expect(sources.count(slot)).toBe(4);
    sources.subtract(slot, 1);
    expect([sources.count(slot), sources.find(source(1)), sources.find(source(2))]).toEqual([
      3,
      slot,
      0,
    ]);
  });

  test("frees a source without connections, unless its bucket has something to tell", () => {
    const sources = table(10);
    for (const [number, fullAtMs] of [
      [1, 0],
      [2, 500],
    ] as const) {
      const slot = sources.findOrAdd(source(number), 0);
      sources.add(slot, 0);
      sources.setFullAtMs(slot, fullAtMs);
      sources.subtract(slot, 0);
      sources.settle(slot, 100);
    }
    expect([sources.find(source(1)) > 0, sources.find(source(2)) > 0]).toEqual([false, true]);
    expect(sources.fullAtMs(sources.find(source(2)))).toBe(500);
    // Another source comes when the bucket is full.
    sources.findOrAdd(source(3), 500);
    expect(sources.find(source(2))).toBe(0);
  });

  test("gives the place of the source that was idle for longest to a new one, never of one with connections", () => {
    const sources = table(3);
    const hold = sources.findOrAdd(source(1), 0);
    sources.add(hold, 0);
    for (const number of [2, 3]) {
      const slot = sources.findOrAdd(source(number), 0);
      sources.add(slot, 0);
      sources.setFullAtMs(slot, 1e9);
      sources.subtract(slot, 0);
      sources.settle(slot, number);
    }
    const fourth = sources.findOrAdd(source(4), 10);
    sources.add(fourth, 0);
    expect([1, 2, 3, 4].map((number) => sources.find(source(number)) > 0)).toEqual([
      true,
      false,
      true,
      true,
    ]);
    // One that comes back is idle no more.
    sources.add(sources.find(source(3)), 0);
    expect(sources.findOrAdd(source(5), 10)).toBe(0);
    expect(sources.count(sources.find(source(1)))).toBe(1);
  });

  test("forgets what a dead worker held, and only that", () => {
    const sources = table(10, 2);
    for (const [number, worker] of [
      [1, 0],
      [1, 1],
      [2, 0],
      [3, 1],
    ] as const)
      sources.add(sources.findOrAdd(source(number), 0), worker);
    sources.clearWorker(0, 0);
    const counts = [1, 2, 3].map((number) => {
      const slot = sources.find(source(number));
      return slot === 0 ? 0 : sources.count(slot);
    });
    expect([counts, sources.size]).toEqual([[1, 0, 1], 2]);
  });

  test("names the sources with the most connections", () => {
    const sources = table(1_000);
    for (let number = 0; number < 500; number += 1) {
      const slot = sources.findOrAdd(source(number), 0);
      for (let count = 0; count <= (number * 7) % 500; count += 1) sources.add(slot, 0);
    }
    expect(sources.busiest(3).map(({ connections }) => connections)).toEqual([500, 499, 498]);
    expect(sources.busiest(1)[0]?.words).toHaveLength(4);
  });

  test("behaves as a map does that forgets idle sources", () => {
    const step = fc.record({
      number: fc.nat(12),
      what: fc.constantFrom("take", "take", "give", "wait"),
      fullInMs: fc.constantFrom(0, 5, 50),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const sources = table(8);
        const counts = new Map<number, number>();
        let nowMs = 0;
        for (const { number, what, fullInMs } of steps) {
          const held = counts.get(number) ?? 0;
          if (what === "wait") nowMs += fullInMs;
          if (what === "take") {
            const slot = sources.findOrAdd(source(number), nowMs);
            // Only where eight others have connections.
            if (slot === 0) expect(held === 0 && counts.size === 8).toBe(true);
            else {
              sources.add(slot, 0);
              sources.setFullAtMs(slot, nowMs + fullInMs);
              counts.set(number, held + 1);
            }
          }
          if (what === "give" && held > 0) {
            const slot = sources.find(source(number));
            sources.subtract(slot, 0);
            sources.settle(slot, nowMs);
            if (held === 1) counts.delete(number);
            else counts.set(number, held - 1);
          }
          for (const [known, count] of counts)
            expect(sources.count(sources.find(source(known)))).toBe(count);
          expect(sources.size).toBeLessThanOrEqual(8);
        }
      }),
    );
  });
});
