import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { Samples } from "../../test/support/samples.ts";
import { until } from "../../test/support/until.ts";
import type { FsNamerConfig, NamerConfig } from "../config/namer-types.ts";
import { seededRng } from "../lib/rng.ts";
import type { Resolution } from "../naming/resolution.ts";
import { silentLogger } from "../telemetry/log.ts";
import { createNamers, type NamerSet } from "./create-namers.ts";
import { systemFolderWatches } from "./fs/folder-watches.ts";
import { LINGER_MS } from "./followed-names.ts";
import { InProcessInterpreter } from "./in-process.ts";
import type { Binding } from "./interpreter.ts";

let root: string;
let clock: FakeClock;
let samples: Samples;
let abort: AbortController;
let set: NamerSet;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "l5d-namers-"));
  clock = new FakeClock();
  samples = new Samples();
  abort = new AbortController();
  set = await create(fs());
});

afterEach(async () => {
  abort.abort();
  clock.advance(LINGER_MS);
  expect(clock.pending).toBe(0);
  await until("no folder is watched", () => systemFolderWatches.size === 0);
  rmSync(root, { recursive: true, force: true });
});

const fs = (): FsNamerConfig => ({ kind: "io.l5d.fs", rootDir: root, prefix: "/io.l5d.fs" });
const save = (name: string, text: string): void => writeFileSync(join(root, name), text);

function create(...configs: readonly NamerConfig[]): Promise<NamerSet> {
  return createNamers(configs, {
    registry: samples.registry,
    clock,
    rng: seededRng(1),
    log: silentLogger,
    lookup: async (host) =>
      host === "127.1" ? { state: "found", ips: ["127.0.0.1"] } : { state: "unknown" },
  });
}

/** Waits with as little time as a sign of a change needs. */
const becomes = (what: string, condition: () => boolean): Promise<void> =>
  until(what, () => {
    clock.advance(1);
    return condition();
  });

function bind(dtab: string, path: string): () => Binding | undefined {
  let last: Binding | undefined;
  const interpreter = new InProcessInterpreter(set.service, dtab);
  interpreter.bind(path, abort.signal, (binding) => (last = binding));
  return () => last;
}

function addresses(id: string): () => Resolution | undefined {
  let last: Resolution | undefined;
  const interpreter = new InProcessInterpreter(set.service, "");
  interpreter.addresses(id, abort.signal, (answer) => (last = answer));
  return () => last;
}

const to = (...ids: readonly string[]): Binding => ({
  state: "bound",
  branches: ids.map((id) => ({ id, weight: 1 / ids.length })),
});

/** What namerd's `resolve` would say: the addresses of the first branch. */
async function resolve(dtab: string, path: string): Promise<string> {
  const binding = bind(dtab, path);
  await becomes("a binding", () => binding() !== undefined);
  const bound = binding();
  if (bound?.state !== "bound") return bound?.state === "failed" ? `error: ${bound.cause}` : "neg";
  const [first] = bound.branches;
  if (first === undefined) return "neg";
  const answer = addresses(first.id);
  await becomes("addresses", () => answer() !== undefined);
  const resolution = answer();
  if (resolution?.state === "failed") return `failed: ${resolution.cause}`;
  if (resolution?.state !== "bound") return resolution?.state ?? "nothing";
  return `bound ${resolution.endpoints.map((it) => `${it.ip}:${it.port}*${it.weight}`).join()}`;
}

describe("the names of a process", () => {
  // reference/namerd-and-linkerd.md, appendix A.2.
  const WEB = "bound 10.0.0.1:80*1";
  test.each([
    ["/svc=>/#/io.l5d.fs", "/svc/web", WEB],
    ["/svc=>/#/io.l5d.fs", "/svc/web/extra", WEB],
    ["/svc=>/#/io.l5d.fs", "/svc/w2", "bound 10.0.0.2:80*1.5"],
    ["/svc=>/#/io.l5d.fs", "/svc/none", "neg"],
    ["/svc=>/#/io.l5d.fs", "/svc/empty", "bound "],
    ["/svc=>/#/io.l5d.fs", "/svc/bad", "failed: malformed address: x"],
    ["/svc=>/#/io.l5d.fs", "/#/io.l5d.fs/web", WEB],
    ["/svc=>/#/io.l5d.fs;/svc/none=>/#/io.l5d.fs/web", "/svc/none", WEB],
    ["/svc=>/#/io.l5d.fs/web;/svc=>~", "/svc", WEB],
    ["/svc=>/#/io.l5d.fs/web;/svc=>!", "/svc", "neg"],
    ["/svc=>/#/io.l5d.fs/web;/svc=>$", "/svc", "neg"],
    ["/svc=>/#/io.l5d.fs/bad;/svc=>/#/io.l5d.fs/none", "/svc", "failed: malformed address: x"],
    ["/svc=>/#/io.l5d.fs/web;/svc=>/$/inet/no.such.host/80", "/svc", "neg"],
    ["/svc=>1*/#/io.l5d.fs/web & 9*/#/io.l5d.fs/none", "/svc", WEB],
    ["/svc/*=>/#/io.l5d.fs/web", "/svc", "neg"],
    ["/svc/*=>/#/io.l5d.fs/web", "/svc/a", WEB],
    ["/svc=>/svc", "/svc", "error: Max recursion level: 100 reached in Namer lookup"],
    ["/svc=>/$/no.such.Cls", "/svc", "error: no.such.Cls"],
    ["/svc=>/$/inet/127.1/8080", "/svc/foo", "bound 127.0.0.1:8080*1"],
    ["/svc=>/a;/svc/foo=>/b;/svc=>/c;/b=>/#/io.l5d.fs", "/svc/foo/web", WEB],
    ["", "/svc/web", "neg"],
  ])("%s: %s is %s", async (dtab, path, wanted) => {
    save("web", "10.0.0.1 80\n");
    save("w2", "10.0.0.2 80 * 1.5\n");
    save("empty", "");
    save("bad", "x\n");
    expect(await resolve(dtab, path)).toBe(wanted);
  });

  test("an alternative is used while the first name is gone, and given up when it comes back", async () => {
    mkdirSync(join(root, "a"));
    mkdirSync(join(root, "b"));
    save("a/web", "10.0.0.1 80\n");
    save("b/web", "10.0.0.2 80\n");
    const it = bind("/svc => /#/io.l5d.fs/a | /#/io.l5d.fs/b", "/svc/web");
    await becomes("the first", () => Bun.deepEquals(it(), to("/#/io.l5d.fs/a/web")));
    for (let round = 0; round < 3; round++) {
      renameSync(join(root, "a", "web"), join(root, "moved"));
      await becomes("the second", () => Bun.deepEquals(it(), to("/#/io.l5d.fs/b/web")));
      renameSync(join(root, "moved"), join(root, "a", "web"));
      await becomes("the first again", () => Bun.deepEquals(it(), to("/#/io.l5d.fs/a/web")));
    }
    rmSync(join(root, "a"), { recursive: true });
    rmSync(join(root, "b", "web"));
    await becomes("neither", () => it()?.state === "neg");
  });

  test("a union is split between its branches", async () => {
    save("web", "10.0.0.1 80\n");
    const it = bind("/svc => 0.5 * /#/io.l5d.fs/web & 0.5 * /#/io.l5d.fs/w2", "/svc");
    await becomes("one branch", () => Bun.deepEquals(it(), to("/#/io.l5d.fs/web")));
    save("w2", "10.0.0.2 80\n");
    await becomes("two", () => Bun.deepEquals(it(), to("/#/io.l5d.fs/web", "/#/io.l5d.fs/w2")));
  });

  test("namers of several kinds work together", async () => {
    save("web", "10.0.0.1 80\n");
    set = await create(
      fs(),
      { kind: "io.l5d.rewrite", prefix: "/short", pattern: "/{name}", name: "/disco/{name}" },
      {
        kind: "io.l5d.static",
        prefix: "/fixed",
        names: [{ path: "/api", endpoints: [{ host: "10.0.0.3", port: 83, weight: 1 }] }],
      },
    );
    const dtab = "/disco => /#/io.l5d.fs | /#/fixed; /svc => /#/short";
    expect(await resolve(dtab, "/svc/web")).toBe(WEB);
    expect(await resolve(dtab, "/svc/api")).toBe("bound 10.0.0.3:83*1");
    expect(await resolve(dtab, "/svc/none")).toBe("neg");
    let names: readonly string[] = [];
    set.service.names(abort.signal, (ids) => (names = ids));
    await becomes("names", () => names.length > 0);
    expect(names).toEqual(["/#/fixed/api", "/#/io.l5d.fs/web"]);
    expect(set.statuses().map(({ prefix, kind }) => [prefix, kind])).toEqual([
      ["/#/io.l5d.fs", "io.l5d.fs"],
      ["/#/short", "io.l5d.rewrite"],
      ["/#/fixed", "io.l5d.static"],
      ["/$", "built in"],
    ]);
  });

  test("makes namers of every kind, none of which asks its source before it must", async () => {
    const common = { tls: undefined, baseUrl: "http://127.0.0.1:1" } as const;
    set = await create(
      {
        kind: "io.l5d.dnssrv",
        prefix: "/dns",
        refreshIntervalMs: 5_000,
        dnsHosts: ["127.0.0.1:1"],
      },
      {
        ...common,
        kind: "io.l5d.consul",
        prefix: "/consul",
        includeTag: false,
        useHealthCheck: false,
        healthStatuses: ["passing"],
        token: undefined,
        setHost: false,
        consistencyMode: "default",
        preferServiceAddress: true,
        weights: [],
        transferMetadata: false,
        failoverDatacenters: [],
      },
      {
        ...common,
        kind: "io.l5d.k8s",
        prefix: "/k8s",
        namespace: undefined,
        labelSelector: undefined,
        tokenPath: undefined,
        caPath: undefined,
      },
      {
        kind: "io.l5d.etcd",
        prefix: "/etcd",
        baseUrls: ["http://127.0.0.1:1"],
        pathPrefix: "/services",
        tls: undefined,
      },
    );
    expect(clock.pending).toBe(0);
    expect(set.statuses().map(({ names }) => names)).toEqual([0, 0, 0, 0, 0]);
    for (const path of ["/#/dns", "/#/consul", "/#/k8s", "/#/etcd"]) {
      expect(await resolve("", path)).toBe("neg");
    }
  });

  test("tells metrics and statuses of each namer", async () => {
    save("web", "10.0.0.1 80\n");
    save("bad", "x\n");
    for (const name of ["web", "bad"]) await resolve("", `/#/io.l5d.fs/${name}`);
    const before = set.statuses()[0];
    expect(before).toMatchObject({ names: 2, emptied: 0, silent: 0 });
    expect(before?.failing).toBe("/#/io.l5d.fs/bad: malformed address: x");
    expect(before?.oldestConfirmedSeconds).toBeGreaterThanOrEqual(0);
    rmSync(join(root, "web"));
    await becomes("a loss", () => set.statuses()[0]?.emptied === 1);
    set.refreshMetrics();
    const value = (name: string): number | undefined =>
      samples.value(`l5d_namer_${name}`, "/#/io.l5d.fs");
    expect(value("names")).toBe(2);
    expect(value("emptied_total")).toBe(1);
    expect(value("skipped_addresses_total")).toBe(1);
    expect(value("request_latency_ms")).toBeGreaterThan(2);
    expect(value("oldest_confirmation_age_seconds")).toBeGreaterThanOrEqual(0);
  });

  test("whoever leaves at whatever moment leaves nothing behind", async () => {
    mkdirSync(join(root, "a"));
    save("a/web", "10.0.0.1 80\n");
    for (let turns = 0; turns < 10; turns++) {
      for (let n = 0; n < 5; n++) bind("/svc => /#/io.l5d.fs/a | /#/io.l5d.fs/b", "/svc/web/x");
      bind("/svc => 1 * /#/io.l5d.fs/a & 2 * /$/inet/web.example/80", "/svc/web");
      addresses("/#/io.l5d.fs/a/web");
      addresses("/$/inet/web.example/80");
      set.service.names(abort.signal, () => {});
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      abort.abort();
      abort = new AbortController();
      clock.advance(LINGER_MS);
      expect(clock.pending).toBe(0);
      expect(systemFolderWatches.size).toBe(0);
      expect(set.statuses().map(({ names }) => names)).toEqual([0, 0]);
    }
  });
});

describe("InProcessInterpreter", () => {
  test("a text that is no path is neg, whatever it is asked for, and after an abort there is no answer", async () => {
    for (const text of ["", "svc", "/svc/", "//", "/\\x", "\ud800"]) {
      const [binding, answer] = [bind("/svc => /$/nil", text), addresses(text)];
      await until("both", () => binding() !== undefined && answer() !== undefined);
      expect([binding(), answer()]).toEqual([{ state: "neg" }, { state: "neg" }]);
    }
    const interpreter = new InProcessInterpreter(set.service, "");
    for (const path of ["/svc/web", "svc"]) {
      interpreter.bind(path, AbortSignal.abort(), () => expect.unreachable());
      interpreter.addresses(path, AbortSignal.abort(), () => expect.unreachable());
    }
    await new Promise(setImmediate);
  });

  test("a name that exists and has no endpoints is bound to no branch", async () => {
    const binding = bind("/svc => /$/nil", "/svc/web");
    await until("a binding", () => binding() !== undefined);
    expect(binding()).toEqual({ state: "bound", branches: [] });
  });

  test("refuses a text that is no dtab", () => {
    expect(() => new InProcessInterpreter(set.service, "/svc")).toThrow("no dtab");
  });
});

test("a set that is made after another takes over the namers that are the same, with what they follow", async () => {
  save("web", "127.0.0.1 1");
  const parts = {
    registry: samples.registry,
    clock,
    rng: seededRng(1),
    log: silentLogger,
  };
  const other = { kind: "io.l5d.static", prefix: "/other", names: [] } as const;
  const before = await createNamers([fs(), other], parts);
  const follow = (names: NamerSet, seen: Resolution[]): AbortController => {
    const end = new AbortController();
    names.service.addresses(["#", "io.l5d.fs", "web"], end.signal, (it) => void seen.push(it));
    return end;
  };
  const first: Resolution[] = [];
  const following = follow(before, first);
  await becomes("it is resolved", () => first.some(({ state }) => state === "bound"));
  const after = await createNamers([fs(), { ...other, prefix: "/third" }], parts, before);
  expect(after.entries[0]).toBe(before.entries[0] as never);
  expect(after.builtIn).toBe(before.builtIn);
  before.release(after);
  const shown = (prefix: string) => samples.value("l5d_namer_names", prefix) !== undefined;
  expect([shown("/#/third"), shown("/#/other")]).toEqual([true, false]);
  following.abort();
  // The namer still has the answer: nobody has to wait for the file.
  const second: Resolution[] = [];
  const again = follow(after, second);
  await Promise.resolve();
  await becomes("it is known at once", () => second.length > 0);
  expect(second[0]).toMatchObject({ state: "bound" });
  again.abort();
  after.release();
  expect(shown("/#/third")).toBe(false);
});
