import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { until } from "../../test/support/until.ts";
import type { ClientRule, Config } from "../config/types.ts";
import type { BoundObserver, BoundState } from "../control/bindings.ts";
import type { Destination } from "../control/destination.ts";
import { Aggregate } from "../telemetry/aggregate.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { NamesOnDemand } from "./names-on-demand.ts";

const NOWHERE: BoundState = {
  state: "neg",
  known: true,
  branches: [],
  kept: undefined,
  lastConfirmedMs: 0,
};
const FAILED: BoundState = { ...NOWHERE, state: "failed", known: false };
const endpoints = [{ ip: "10.0.0.1", port: 80, weight: 1 }];
const name = {
  resolution: { state: "bound", endpoints },
  kept: undefined,
  lastConfirmedMs: 0,
} as const;
const BOUND: BoundState = {
  ...NOWHERE,
  state: "bound",
  branches: [{ id: "/#/x", weight: 1, name, endpoints }],
};

interface Settings {
  readonly paths?: number;
  readonly idleTtlMs?: number;
  readonly client?: readonly ClientRule[];
  readonly maxWatches?: number;
}

/** A configuration with one router, `r`; undefined: without names of connections. */
function config(settings: Settings | undefined): Config {
  const { paths = 10, idleTtlMs = 60_000, client = [] } = settings ?? {};
  const router = {
    label: "r",
    client,
    ...(settings && { bindingCache: { paths, idleTtlMs } }),
  };
  return { routers: [router] } as unknown as Config;
}

function scene(settings: Settings = {}, workers = 2) {
  const calls: string[] = [];
  const clock = new FakeClock();
  const aggregate = new Aggregate();
  const observers = new Map<string, BoundObserver>();
  const ids = new Map<string, number>();
  const fixed = new Set<string>();
  const warnings: unknown[] = [];
  let lastId = 0;
  const names = new NamesOnDemand({
    workers,
    maxWatches: settings.maxWatches ?? 1_000,
    clock,
    registry: new Registry(aggregate.source("control")),
    log: { ...silentLogger, warn: (_, fields) => warnings.push(fields?.()) },
    follow: (_, path, observer) => {
      calls.push(`follow ${path}`);
      observers.set(path, observer);
      return () => {
        calls.push(`stop ${path}`);
        observers.delete(path);
      };
    },
    tell: (worker, message) =>
      calls.push(`${worker}: ${message.type} ${"path" in message ? message.path : ""}`),
    targets: {
      has: (_, path) => fixed.has(path),
      prepareHealth: () => Promise.resolve(new Map()),
      add: ({ path, config: { maxWaiters } }) => {
        lastId += 1;
        ids.set(path, lastId);
        calls.push(`add ${path} with ${maxWaiters}`);
        return { id: lastId } as Destination;
      },
      apply: ({ id }, { state }) => calls.push(`apply ${id} ${state}`),
      configure: ({ path, config: { maxWaiters } }) =>
        calls.push(`configure ${path} with ${maxWaiters}`),
      remove: ({ path }) => calls.push(`remove ${path}`),
    },
  });
  names.configure(config(settings));
  return {
    names,
    clock,
    fixed,
    warnings,
    since: (): string[] => calls.splice(0),
    want: (worker: number, path: string, wanted = true) =>
      names.take(worker, { type: "want-destination", router: "r", path, wanted }),
    use: (worker: number, path: string, inUse: boolean) =>
      names.take(worker, { type: "destination-use", changes: [[ids.get(path) ?? -1, inUse]] }),
    answer: (path: string, state: BoundState) => observers.get(path)?.(state),
    metric: (metric: string, label: string) =>
      aggregate
        .collect()
        .find(({ definition }) => definition.name === metric)
        ?.series.find(({ labels }) => labels.includes(label))?.numbers[0],
  };
}

describe("NamesOnDemand", () => {
  test("makes a destination of a name as soon as something stands behind it", () => {
    const { since, want, answer, metric } = scene({ client: [{ prefix: "/", maxWaiters: 9 }] });
    want(0, "/a");
    want(1, "/a");
    answer("/a", FAILED);
    expect([since(), metric("l5d_rt_names", "unbound")]).toEqual([["follow /a"], 1]);
    answer("/a", BOUND);
    expect(since()).toEqual(["add /a with 9", "apply 1 bound"]);
    // Its message is on the way to the worker.
    want(1, "/a");
    answer("/a", NOWHERE);
    expect(since()).toEqual(["apply 1 neg"]);
    expect([metric("l5d_rt_names", "bound"), metric("l5d_rt_names", "unbound")]).toEqual([1, 0]);
  });

  test("refuses a name that leads nowhere, to all who wait and who come later, until it leads somewhere", () => {
    const { since, want, answer } = scene();
    want(0, "/a");
    want(1, "/a");
    answer("/a", NOWHERE);
    want(0, "/a");
    expect(since()).toEqual([
      "follow /a",
      "0: refuse-destination /a",
      "1: refuse-destination /a",
      "0: refuse-destination /a",
    ]);
    answer("/a", BOUND);
    expect(since()).toEqual(["add /a with 1000000", "apply 1 bound"]);
  });

  test("lets go a name without endpoints 10 s after the last has asked for it, and not while somebody waits", () => {
    const { clock, since, want, answer, metric } = scene();
    want(0, "/neg");
    want(0, "/slow");
    answer("/neg", NOWHERE);
    clock.advance(8_000);
    want(1, "/neg");
    clock.advance(8_000);
    since();
    clock.advance(3_000);
    expect(since()).toEqual(["stop /neg"]);
    clock.advance(60_000);
    expect(since()).toEqual([]);
    want(0, "/slow", false);
    clock.advance(11_000);
    expect([since(), metric("l5d_rt_names_evicted_total", "unbound")]).toEqual([["stop /slow"], 2]);
  });

  test("lets go a destination when no worker has used it for its time", () => {
    const { clock, since, want, answer, use } = scene();
    want(0, "/a");
    answer("/a", BOUND);
    since();
    clock.advance(100_000);
    use(0, "/a", false);
    clock.advance(100_000);
    expect(since()).toEqual([]);
    use(1, "/a", false);
    clock.advance(50_000);
    use(0, "/a", true);
    use(0, "/a", false);
    clock.advance(59_000);
    expect(since()).toEqual([]);
    clock.advance(2_000);
    expect(since()).toEqual(["stop /a", "remove /a"]);
    // Too late: it is not there any more.
    use(0, "/a", true);
    want(1, "/a");
    expect(since()).toEqual(["follow /a"]);
  });

  test("a dead worker uses nothing, and its successor nothing that it has not said", () => {
    const { names, clock, since, want, answer, use } = scene({}, 1);
    want(0, "/a");
    want(0, "/slow");
    answer("/a", BOUND);
    names.workerDied(0);
    names.replayed(0);
    since();
    clock.advance(100_000);
    expect(since()).toEqual(["stop /slow"]);
    use(0, "/a", false);
    clock.advance(61_000);
    expect(since()).toEqual(["stop /a", "remove /a"]);
  });

  test("makes room for new names, and refuses them when all are in use", () => {
    const { since, want, answer, metric } = scene({ paths: 2 });
    want(0, "/a");
    want(0, "/b");
    answer("/a", NOWHERE);
    want(0, "/c");
    since();
    want(1, "/d");
    expect(since()).toEqual(["1: refuse-destination /d"]);
    expect(metric("l5d_rt_names_refused_total", "limit")).toBe(1);
    expect(metric("l5d_rt_names_evicted_total", "limit")).toBe(1);
    expect(metric("l5d_rt_names_created_total", "r")).toBe(3);
  });

  test("says in the log that names are refused, and how many, every ten seconds at most", () => {
    const { names, clock, want, warnings } = scene({ paths: 1 });
    for (const path of ["/a", "/b", "/c", "/d"]) want(0, path);
    const why = "all that bindingCache.paths allows are in use";
    expect(warnings).toEqual([{ router: "r", refused: 1, last: "/b", why }]);
    clock.advance(10_000);
    expect(warnings.slice(1)).toEqual([{ router: "r", refused: 2, last: "/d", why }]);
    want(0, "/e");
    names.stop();
    expect(clock.pending).toBe(0);
  });

  test("follows no more names than there are file descriptors for", () => {
    const { names, since, want, warnings } = scene({ paths: 10, maxWatches: 5 });
    expect([names.watches, warnings.length]).toEqual([4, 1]);
    for (const path of ["/a", "/b", "/c"]) want(0, path);
    expect(since().at(-1)).toBe("0: refuse-destination /c");
  });

  test("asks nothing for a path of the configuration, and gives a name over to it", () => {
    const { names, fixed, since, want, answer } = scene();
    fixed.add("/static");
    want(0, "/static");
    expect(since()).toEqual([]);
    want(0, "/a");
    want(0, "/b");
    answer("/a", BOUND);
    since();
    const taken = names.takeOver("r", "/a");
    expect([taken === undefined, names.takeOver("r", "/b"), since()]).toEqual([
      false,
      undefined,
      ["stop /b"],
    ]);
    answer("/a", BOUND);
    names.forgetOthers(config(undefined));
    expect(since()).toEqual(["apply 1 bound"]);
    taken?.stop();
    expect(since()).toEqual(["stop /a"]);
  });

  test("a reload changes settings of what is there, limits, and forgets routers without such names", () => {
    const { names, clock, since, want, answer, use, metric } = scene();
    for (const path of ["/a", "/b", "/slow"]) want(0, path);
    answer("/a", BOUND);
    answer("/b", BOUND);
    use(0, "/b", false);
    use(1, "/b", false);
    since();
    const client = [{ prefix: "/a", maxWaiters: 3 }];
    names.configure(config({ client, paths: 2 }));
    expect(since()).toEqual(["stop /b", "remove /b", "configure /a with 3"]);
    names.forgetOthers(config(undefined));
    expect(since()).toEqual(["stop /a", "remove /a", "stop /slow", "0: refuse-destination /slow"]);
    expect(metric("l5d_rt_names", "bound")).toBeUndefined();
    want(0, "/a");
    expect(since()).toEqual(["0: refuse-destination /a"]);
    names.stop();
    expect(clock.pending).toBe(0);
  });

  test("names with health checks are followed once those are ready, unless they are gone by then", async () => {
    const healthCheck = { check: { kind: "tcp" } } as unknown as NonNullable<
      ClientRule["healthCheck"]
    >;
    const { names, since, want, answer } = scene({ client: [{ prefix: "/", healthCheck }] });
    want(0, "/a");
    want(0, "/b");
    names.takeOver("r", "/b");
    expect(since()).toEqual([]);
    let calls: string[] = [];
    await until("it is followed", () => (calls = [...calls, ...since()]).length > 0);
    answer("/a", BOUND);
    expect([...calls, ...since()]).toEqual(["follow /a", "add /a with 1000000", "apply 1 bound"]);
  });
});
