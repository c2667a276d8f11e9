import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeNote,
  EJECTION_KINDS,
  EJECTION_REASONS,
  encodeNote,
  kindOf,
} from "./ejection-note.ts";
import { EndpointRow, newEndpointPage, ROWS_PER_PAGE } from "./endpoint-table.ts";

const OUT = { kind: "ejected", reason: "refused", probeAtMs: 1_700_000_000_123 } as const;

function rows(row: number, workers: number, page = newEndpointPage(workers)): EndpointRow[] {
  const cells = new Float64Array(page);
  return Array.from(
    { length: workers },
    (_, worker) => new EndpointRow(cells, row, worker, workers),
  );
}

function pick<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}

function numbers({ load, ownLoad, connects, failures, ejected }: EndpointRow): number[] {
  return [load, ownLoad, connects, failures, ejected];
}

describe("EndpointRow", () => {
  test("shows each worker the load of all and its own", () => {
    const [first, second] = rows(0, 2) as [EndpointRow, EndpointRow];
    first.addLoad(3);
    second.addLoad(2);
    second.addLoad(-1);
    expect([first.load, first.ownLoad, second.load, second.ownLoad]).toEqual([4, 3, 4, 1]);
  });

  test("sums connections and failures and counts the workers that ejected, once each", () => {
    const all = rows(7, 3);
    for (const row of all) {
      row.countConnect();
      row.countConnect();
      row.countFailure();
      row.setEjection(OUT);
      row.setEjection(OUT);
    }
    pick(all, 1).setEjection(undefined);
    expect(numbers(pick(all, 0))).toEqual([0, 0, 6, 3, 2]);
  });

  test("forgets a dead worker's load and ejection, not what it counted nor what others hold", () => {
    const [dead, alive] = rows(0, 2) as [EndpointRow, EndpointRow];
    dead.addLoad(5);
    dead.countConnect();
    dead.countFailure();
    dead.setEjection(OUT);
    alive.addLoad(2);
    dead.clearOwnState();
    expect(numbers(alive)).toEqual([2, 2, 1, 1, 0]);
  });

  test("clears all workers' cells of its row and of no other", () => {
    const page = newEndpointPage(2);
    const [before, row, after] = [4, 5, 6].map((at) => rows(at, 2, page)) as [
      EndpointRow[],
      EndpointRow[],
      EndpointRow[],
    ];
    for (const one of [...before, ...row, ...after]) {
      one.addLoad(1);
      one.countConnect();
    }
    pick(row, 0).clear();
    expect(numbers(pick(row, 1))).toEqual([0, 0, 0, 0, 0]);
    expect(numbers(pick(before, 0))).toEqual([2, 1, 2, 0, 0]);
    expect(numbers(pick(after, 0))).toEqual([2, 1, 2, 0, 0]);
  });

  test("tells the ejection whose probe comes last, and how many workers have noted what", () => {
    const all = rows(3, 4);
    expect(pick(all, 0).ejection).toBeUndefined();
    const probeAtMs = OUT.probeAtMs + 1;
    const later = { kind: "dry_run", reason: "early_reset", probeAtMs } as const;
    pick(all, 3).setEjection({ kind: "withheld", reason: "other", probeAtMs: 0 });
    expect(pick(all, 0).ejection).toEqual({ kind: "withheld", reason: "other", probeAtMs: 0 });
    pick(all, 1).setEjection(OUT);
    expect(pick(all, 3).ejection).toEqual(OUT);
    pick(all, 2).setEjection(later);
    pick(all, 0).setEjection(OUT);
    const row = pick(all, 3);
    expect(row.ejection).toEqual(later);
    expect([row.ejected, ...EJECTION_KINDS.map((kind) => row.noted(kind))]).toEqual([2, 2, 1, 1]);
  });

  test.each(EJECTION_REASONS)("keeps the reason %s, whatever the kind and the time", (reason) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 47 }),
        fc.constantFrom(...EJECTION_KINDS),
        (probeAtMs, kind) => {
          const note = { kind, reason, probeAtMs };
          expect(decodeNote(encodeNote(note))).toEqual(note);
          expect(kindOf(encodeNote(note))).toBe(kind);
        },
      ),
    );
    expect([encodeNote(undefined), kindOf(0)]).toEqual([0, undefined]);
  });

  test("has room for all rows of a page", () => {
    const last = pick(rows(ROWS_PER_PAGE - 1, 3), 2);
    last.addLoad(1);
    last.setEjection(OUT);
    expect(numbers(last)).toEqual([1, 1, 0, 0, 1]);
  });

  test("agrees with plain sums after any mix of writes", () => {
    const writes = fc.array(
      fc.record({ row: fc.nat(2), worker: fc.nat(3), load: fc.integer({ min: -3, max: 3 }) }),
    );
    fc.assert(
      fc.property(writes, (all) => {
        const page = newEndpointPage(4);
        const table = [0, 1, 2].map((row) => rows(row, 4, page));
        for (const { row, worker, load } of all) pick(pick(table, row), worker).addLoad(load);
        for (const [at, row] of table.entries()) {
          const expected = all.reduce((sum, write) => sum + (write.row === at ? write.load : 0), 0);
          for (const view of row) expect(view.load).toBe(expected);
        }
      }),
    );
  });
});
