import { describe, expect, test } from "bun:test";
import { until } from "../../test/support/until.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { FakeNamerd } from "../../test/support/fake-namerd.ts";
import type { InterpreterConfig } from "../config/types.ts";
import { seededRng } from "../lib/rng.ts";
import { printPath } from "../naming/path.ts";
import type { Resolution } from "../naming/resolution.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry, type RegistryEvent } from "../telemetry/registry.ts";
import { createInterpreter } from "./create.ts";
import type { Binding } from "./interpreter.ts";
import type { NameService } from "./name-service.ts";

async function create(config: InterpreterConfig, names?: NameService) {
  const events: RegistryEvent[] = [];
  const resolver = await createInterpreter(config, {
    router: "r",
    registry: new Registry((event) => events.push(event)),
    clock: new FakeClock(),
    rng: seededRng(1),
    log: silentLogger,
    lookup: async () => ({ state: "unknown" }),
    ...(names === undefined ? {} : { names }),
  });
  /** A counter by the end of its name. */
  const value = (name: string): number => {
    for (const event of events) {
      if (event.type !== "declare" || !event.definition.name.endsWith(name)) continue;
      const page = events.find((it) => it.type === "page" && it.page === event.page);
      if (page?.type === "page") return new Float64Array(page.buffer)[event.slot + 1] ?? Number.NaN;
    }
    return Number.NaN;
  };
  const labels = events.flatMap((it) => (it.type === "declare" ? [it.labels.join()] : []));
  return { resolver, value, labels };
}

/** The first answer for a path. */
async function resolve(config: InterpreterConfig, path: string): Promise<Resolution | undefined> {
  const reports: Resolution[] = [];
  const abort = new AbortController();
  (await create(config)).resolver.addresses(path, abort.signal, (it) => reports.push(it));
  await until("an answer", () => reports.some((it) => it.state !== "pending"));
  abort.abort();
  return reports.find((it) => it.state !== "pending");
}

describe("createInterpreter()", () => {
  test("makes each kind", async () => {
    using namerd = FakeNamerd.start();
    namerd.bind("/svc/web", "10.0.0.1:80");
    const kinds: InterpreterConfig[] = [
      {
        kind: "io.l5d.namerd.http",
        baseUrl: namerd.baseUrl,
        namespace: "default",
        periodMs: 1_000,
        requestTimeoutMs: 1_000,
      },
      { kind: "io.l5d.fs", rootDir: "/nonexistent", prefix: "/svc" },
      {
        kind: "io.l5d.static",
        names: [{ path: "/svc/web", endpoints: [{ host: "10.0.0.1", port: 80, weight: 1 }] }],
      },
    ];
    const states: (string | undefined)[] = [];
    for (const config of kinds) states.push((await resolve(config, "/svc/web"))?.state);
    expect(states).toEqual(["bound", "neg", "bound"]);
  });

  test("counts answers by their worth, under the labels of the router and of namerd's namespace", async () => {
    using namerd = FakeNamerd.start();
    const { resolver, value, labels } = await create({
      kind: "io.l5d.namerd.http",
      baseUrl: namerd.baseUrl,
      namespace: "prod",
      periodMs: 1_000,
      requestTimeoutMs: 1_000,
    });
    expect(new Set(labels)).toEqual(new Set(["prod,r"]));
    namerd.set("/svc/web", { type: "pending" }, "prod");
    const abort = new AbortController();
    const reports: Resolution[] = [];
    resolver.addresses("/svc/web", abort.signal, (it) => reports.push(it));
    await until("pending", () => reports.length === 1);
    expect([value("_success_total"), value("_failure_total")]).toEqual([0, 0]);
    const addrs = [
      { ip: "10.0.0.1", port: 80 },
      { ip: "web.local", port: 80 },
    ];
    namerd.set("/svc/web", { type: "bound", addrs }, "prod");
    await until("bound", () => reports.length === 2);
    namerd.set("/svc/web", { type: "neg" }, "prod");
    await until("neg", () => reports.length === 3);
    expect([value("_success_total"), value("_failure_total")]).toEqual([1, 1]);
    expect(value("_skipped_addresses_total")).toBe(1);
    // One request so far, and on a fake clock it took no time: the first bucket.
    expect(value("_request_latency_ms")).toBe(1);
    abort.abort();
  });

  test("`default` binds names by the dtab of the router and the names of the process", async () => {
    const asked: string[] = [];
    const names: NameService = {
      bind(_dtab, path, _signal, report) {
        asked.push(printPath(path));
        report({ state: "ok", value: { kind: "empty" } });
      },
      addresses: (_id, _signal, report) => report({ state: "bound", endpoints: [] }),
      delegate: () => Promise.reject(new Error("not asked")),
      names() {},
    };
    const { resolver, value } = await create({ kind: "default", dtab: "/svc=>/#/x" }, names);
    const abort = new AbortController();
    const bindings: Binding[] = [];
    resolver.bind("/svc/web", abort.signal, (it) => bindings.push(it));
    resolver.addresses("/#/x/web", abort.signal, () => {});
    expect(bindings).toEqual([{ state: "bound", branches: [] }]);
    expect(asked).toEqual(["/svc/web"]);
    expect(value("_success_total")).toBe(1);
    abort.abort();
  });

  test("`default` without namers knows what stands in the path itself", async () => {
    const config = { kind: "default", dtab: "" } as const;
    expect(await resolve(config, "/$/inet/10.0.0.1/80")).toMatchObject({ state: "bound" });
    expect(await resolve(config, "/#/io.l5d.fs/web")).toEqual({ state: "neg" });
  });
});
