import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { WeightedAddress } from "../naming/resolution.ts";
import { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { EndpointPage, UpdateEndpoints } from "../wire/messages.ts";
import { Destination } from "./destination.ts";
import { EndpointRows } from "./endpoint-rows.ts";
import type { BoundState } from "./bindings.ts";

const WORKERS = 2;

function setup() {
  const pages: EndpointPage[] = [];
  const updates: UpdateEndpoints[] = [];
  const rows = new EndpointRows(WORKERS, (page) => pages.push(page));
  let nextId = 0;
  /** What was said of endpoints, and how many updates workers had by then. */
  const told: ["removed" | "returned", readonly number[], number][] = [];
  const destination = new Destination({
    id: 7,
    router: "rt",
    path: "/svc/web",
    rows,
    workers: WORKERS,
    broadcast: (update) => updates.push(update),
    nextEndpointId: () => (nextId += 1),
    onRemoved: (ids) => told.push(["removed", ids, updates.length]),
    onReturned: (ids) => told.push(["returned", ids, updates.length]),
  });
  const bound = (...endpoints: readonly WeightedAddress[]) =>
    destination.apply(boundTo({ "/svc/web": endpoints }));
  const last = () => updates.at(-1);
  return { destination, rows, pages, updates, bound, last, told };
}

/** A binding to these branches, of equal weight. */
function boundTo(branches: Readonly<Record<string, readonly WeightedAddress[]>>): BoundState {
  return {
    state: "bound",
    known: true,
    branches: Object.entries(branches).map(([id, endpoints]) => ({
      id,
      weight: 1,
      name: { resolution: { state: "bound", endpoints }, kept: undefined, lastConfirmedMs: 0 },
      endpoints,
    })),
    kept: undefined,
    lastConfirmedMs: 0,
  };
}

function boundToNothing(state: BoundState["state"], known: boolean): BoundState {
  return { state, known, branches: [], kept: undefined, lastConfirmedMs: undefined };
}

const at = (port: number, weight = 1): WeightedAddress => ({ ip: "10.0.0.1", port, weight });

describe("Destination", () => {
  test("says which endpoints have left and which are back, once workers were told", () => {
    const { bound, told } = setup();
    bound(at(1), at(2), at(3));
    bound(at(1));
    bound(at(1));
    bound(at(1), at(3), at(4));
    expect(told).toEqual([
      ["removed", [2, 3], 2],
      ["returned", [3], 4],
    ]);
  });

  test("does not take an endpoint for the same that has come back after its last connection", () => {
    const { destination, bound, updates, told } = setup();
    bound(at(1));
    bound();
    const epoch = updates.at(-1)?.removed[0]?.epoch ?? 0;
    for (let worker = 0; worker < WORKERS; worker += 1) destination.released(worker, 1, epoch);
    bound(at(1));
    expect(told).toEqual([["removed", [1], 2]]);
  });

  test("sends only what differs from one answer to the next", () => {
    const { bound, last } = setup();
    bound(at(1), at(2));
    expect(last()?.added.map(({ port }) => port)).toEqual([1, 2]);
    bound(at(2, 5), at(3));
    expect(last()).toMatchObject({
      added: [{ port: 3 }],
      changed: [{ id: 2, weight: 5 }],
      removed: [{ id: 1, epoch: 1 }],
    });
    bound(at(2, 5), at(3));
    expect(last()).toMatchObject({ added: [], changed: [], removed: [] });
  });

  test("keeps endpoints of a branch whose id is another one now", () => {
    const { destination, last } = setup();
    destination.apply(boundTo({ "/#/old": [at(1), at(2)], "/#/other": [at(3)] }));
    const numbers = last()?.branches.map(({ branch }) => branch);
    destination.apply(boundTo({ "/#/new": [at(1, 5), at(2), at(4)], "/#/other": [at(3)] }));
    expect(last()).toMatchObject({
      added: [{ port: 4 }],
      changed: [{ id: 1, weight: 5 }],
      removed: [],
    });
    expect(last()?.branches.map(({ branch }) => branch)).toEqual(numbers as number[]);
    // One with nothing in common is another branch.
    destination.apply(boundTo({ "/#/none": [at(9)], "/#/other": [at(3)] }));
    expect(last()).toMatchObject({ added: [{ port: 9 }], removed: [{}, {}, {}] });
    expect(last()?.branches[0]?.branch).not.toBe(numbers?.[0]);
  });

  test("gives the branch to the one of several that has most of its endpoints", () => {
    const { destination, last } = setup();
    destination.apply(boundTo({ "/a": [at(1), at(2), at(3)], "/b": [at(4)] }));
    destination.apply(boundTo({ "/c": [at(4), at(2), at(3)] }));
    expect(last()?.branches).toMatchObject([{ branch: 0 }]);
    expect(last()?.added.map(({ port }) => port)).toEqual([4]);
    expect(last()?.removed).toHaveLength(2);
  });

  test("retires everything when it is removed, and takes back what is still resolved", () => {
    const { destination, bound, last } = setup();
    bound(at(1), at(2));
    const removed = destination.remove();
    expect(removed).toEqual([
      { id: 1, epoch: 1 },
      { id: 2, epoch: 2 },
    ]);
    expect([destination.isRemoved, destination.bound]).toEqual([true, undefined]);
    destination.released(0, 1, 1);
    bound(at(1), at(3));
    expect(destination.isRemoved).toBe(false);
    expect(last()?.added.map(({ id, port }) => [id, port])).toEqual([
      [1, 1],
      [3, 3],
    ]);
    destination.released(1, 1, 1);
    for (const worker of [0, 1]) destination.released(worker, 2, 2);
    expect(destination.endpoints.map(({ spec }) => spec.port)).toEqual([1, 3]);
  });

  test("tells what checks and operators say of an address, in all branches, now and when it comes back", () => {
    const { destination, updates, last } = setup();
    const both = boundTo({ "/a": [at(1)], "/b": [at(1, 3), at(2)] });
    destination.apply(both);
    destination.setHealth(at(1), false);
    expect([destination.idsOf(at(1)), destination.idsOf(at(9))]).toEqual([[1, 2], []]);
    expect(last()?.changed).toEqual([
      { id: 1, weight: 1, healthy: false, enabled: true },
      { id: 2, weight: 3, healthy: false, enabled: true },
    ]);
    destination.setOverride(at(1), { weight: 9, enabled: false });
    expect(last()?.changed.map(({ weight, enabled }) => [weight, enabled])).toEqual([
      [9, false],
      [9, false],
    ]);
    const told = updates.length;
    destination.setHealth(at(1), false);
    destination.setOverride(at(7), { weight: 2 });
    expect(updates).toHaveLength(told);
    destination.apply(boundTo({ "/a": [at(2)] }));
    destination.apply(boundTo({ "/a": [at(1, 5), at(7)] }));
    expect(last()?.added).toMatchObject([
      { port: 1, weight: 9, healthy: false, enabled: false },
      { port: 7, weight: 2, healthy: true, enabled: true },
    ]);
    destination.setOverride(at(1), undefined);
    destination.setHealth(at(1), true);
    expect(last()?.changed).toMatchObject([{ weight: 5, healthy: true, enabled: true }]);
  });

  test("says that sessions wait while nothing is known, and are refused when the name is known to have none", () => {
    const { destination, last } = setup();
    destination.apply(boundToNothing("pending", false));
    expect(last()?.known).toBe(false);
    destination.apply(boundToNothing("neg", true));
    expect(last()?.known).toBe(true);
  });

  test("splits many endpoints into several messages and loses none", () => {
    const { bound, updates } = setup();
    bound(...Array.from({ length: 1_234 }, (_, index) => at(index + 1)));
    expect(updates.map(({ added }) => added.length)).toEqual([500, 500, 234]);
    expect(updates.every(({ known }) => known)).toBe(true);
  });

  test("holds the same address in two branches as two endpoints", () => {
    const { destination, updates, last } = setup();
    destination.apply(boundTo({ "/a": [at(1)], "/b": [at(1)] }));
    expect(last()?.branches).toEqual([
      { branch: 0, weight: 1 },
      { branch: 1, weight: 1 },
    ]);
    expect(last()?.added.map(({ branch, port }) => [branch, port])).toEqual([
      [0, 1],
      [1, 1],
    ]);
    destination.apply(boundTo({ "/b": [at(1)] }));
    expect(last()).toMatchObject({ branches: [{ branch: 1 }], removed: [{ id: 1 }], added: [] });
    expect(updates).toHaveLength(2);
  });

  test("knows a branch that comes back before its connections have ended", () => {
    const { destination, last } = setup();
    destination.apply(boundTo({ "/a": [at(1)] }));
    destination.apply(boundTo({ "/b": [at(2)] }));
    destination.apply(boundTo({ "/a": [at(1)] }));
    expect(last()?.added).toMatchObject([{ id: 1, branch: 0 }]);
    for (const worker of [0, 1]) destination.released(worker, 2, 2);
    destination.apply(boundTo({ "/b": [at(2)] }));
    expect(last()?.added).toMatchObject([{ id: 3, branch: 1 }]);
  });

  test("gives a row to another endpoint only when every worker has released it", () => {
    const { destination, bound, updates } = setup();
    bound(at(1));
    const row = updates[0]?.added[0]?.row;
    bound();
    destination.released(0, 1, 1);
    bound(at(2));
    expect(updates.at(-1)?.added[0]?.row).not.toBe(row);
    bound();
    destination.released(1, 1, 1);
    expect(destination.endpoints.map(({ spec }) => spec.port)).toEqual([2]);
    bound(at(3));
    expect(updates.at(-1)?.added).toMatchObject([{ ip: "10.0.0.1", port: 3, weight: 1, row }]);
    expect(destination.endpoints.map(({ spec }) => spec.port)).toEqual([2, 3]);
  });

  test("keeps identity when an endpoint returns before it was released, and ignores the late release", () => {
    const { destination, bound, last } = setup();
    bound(at(1));
    bound();
    bound(at(1));
    expect(last()?.added[0]?.id).toBe(1);
    destination.released(0, 1, 1);
    destination.released(1, 1, 1);
    expect(destination.endpoints).toHaveLength(1);
    bound();
    destination.released(0, 1, 1);
    destination.released(1, 1, 1);
    expect(destination.endpoints).toHaveLength(1);
    destination.released(0, 1, 2);
    destination.released(1, 1, 2);
    expect(destination.endpoints).toHaveLength(0);
  });

  test("forgets a dead worker's load and waits for it no longer", () => {
    const { destination, rows, bound, updates } = setup();
    bound(at(1), at(2));
    const specs = updates[0]?.added ?? [];
    for (const spec of specs) rows.view(spec, 1).addLoad(3);
    bound(at(2));
    destination.released(0, 1, 1);
    expect(destination.endpoints).toHaveLength(2);
    destination.workerDied(1);
    expect(destination.endpoints.map(({ spec, row }) => [spec.port, row.load])).toEqual([[2, 0]]);
  });

  test("names the endpoints of the last answer, however rows were used before", () => {
    const answer = fc.uniqueArray(
      fc.record({ port: fc.integer({ min: 1, max: 9 }), weight: fc.nat(3) }),
      {
        selector: ({ port }) => port,
      },
    );
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 12 }), (answers) => {
        const { destination, updates, bound } = setup();
        for (const endpoints of answers) {
          bound(...endpoints.map(({ port, weight }) => at(port, weight)));
          for (const { id, epoch } of updates.at(-1)?.removed ?? []) {
            for (let worker = 0; worker < WORKERS; worker += 1)
              destination.released(worker, id, epoch);
          }
          const live = destination.endpoints.map(
            ({ spec }) => `${spec.ip}:${spec.port}*${spec.weight}`,
          );
          expect(live.toSorted()).toEqual(
            endpoints.map(({ port, weight }) => `10.0.0.1:${port}*${weight}`).toSorted(),
          );
          const rows = destination.endpoints.map(({ spec }) => spec.row);
          expect(new Set(rows).size).toBe(rows.length);
        }
      }),
    );
  });

  test("tells a worker that starts later the same as the others know, whatever came before", () => {
    const answer = fc.uniqueArray(
      fc.record({ port: fc.integer({ min: 1, max: 6 }), weight: fc.nat(3) }),
      {
        selector: ({ port }) => port,
      },
    );
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 8 }), (answers) => {
        const { destination, updates, bound } = setup();
        const live = new Map<number, number>();
        for (const endpoints of answers)
          bound(...endpoints.map(({ port, weight }) => at(port, weight)));
        for (const { added, changed, removed } of updates) {
          for (const { id } of removed) live.delete(id);
          for (const { id, weight } of changed) live.set(id, weight);
          for (const { id, weight } of added) live.set(id, weight);
        }
        const replayed: UpdateEndpoints[] = [];
        destination.replay((update) => replayed.push(update));
        const told = replayed.flatMap(({ added }) => added.map(({ id, weight }) => [id, weight]));
        expect(new Map(told as [number, number][])).toEqual(live);
        const wanted = answers.at(-1) ?? [];
        expect(live.size).toBe(wanted.length);
      }),
    );
  });
});

test("EndpointRows hands out rows of zeros, and pages before rows", () => {
  const pages: EndpointPage[] = [];
  const rows = new EndpointRows(WORKERS, (page) => pages.push(page));
  const first = rows.allocate();
  expect(pages).toHaveLength(1);
  rows.view(first, 1).addLoad(2);
  rows.free(first);
  const again = rows.allocate();
  expect(rows.view(again, 0).load).toBe(0);
  for (let more = 0; more < 300; more += 1) rows.allocate();
  expect(pages).toHaveLength(2);
  const cells = new Float64Array(pages[0]?.buffer ?? new SharedArrayBuffer(0));
  rows.view(again, 0).addLoad(1);
  expect(new EndpointRow(cells, again.row, 1, WORKERS).load).toBe(1);
});
