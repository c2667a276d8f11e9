import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { Samples } from "../../test/support/samples.ts";
import { seededRng } from "../lib/rng.ts";
import type { StaticName } from "../config/types.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { LookupTree, Outcome } from "../naming/tree.ts";
import { silentLogger } from "../telemetry/log.ts";
import type { HostAnswer } from "./host-lookup.ts";
import { NEG } from "./leaf-namer.ts";
import { describeNamer } from "./namer.contract.ts";
import type { Namer } from "./namer.ts";
import { NamerMetrics } from "./namer-metrics.ts";
import { staticNamer } from "./static-namer.ts";

const PREFIX = "/#/static";
const endpoint = (host: string) => ({ host, port: 80, weight: 1 });
const NAMES: readonly StaticName[] = [
  { path: "/web", endpoints: [endpoint("10.0.0.1"), endpoint("10.0.0.2")] },
  { path: "/web/canary", endpoints: [endpoint("10.0.0.3")] },
  { path: "/eu/api", endpoints: [endpoint("api.example")] },
  { path: "/none", endpoints: [] },
];

function namerFor(
  names: readonly StaticName[],
  answer: HostAnswer = { state: "unknown" },
  clock = new FakeClock(),
): Namer {
  const config = { kind: "io.l5d.static", prefix: "/static", names } as const;
  return staticNamer(PREFIX, config, {
    clock,
    rng: seededRng(1),
    log: silentLogger,
    metrics: new NamerMetrics(new Samples().registry, PREFIX),
    lookup: async () => answer,
  });
}

/** All that `begin` reports within this turn and what follows from it. */
async function told<T>(begin: (signal: AbortSignal, report: (value: T) => void) => void) {
  const abort = new AbortController();
  const values: T[] = [];
  begin(abort.signal, (value) => values.push(value));
  await new Promise(setImmediate);
  abort.abort();
  return values;
}

const lookup = async (namer: Namer, ...path: readonly string[]) =>
  (await told<Outcome<LookupTree>>((signal, report) => namer.lookup(path, signal, report)))[0];
const addresses = async (namer: Namer, ...id: readonly string[]) =>
  (await told<Resolution>((signal, report) => namer.addresses(id, signal, report)))[0];

describeNamer("staticNamer", async (clock) => ({
  namer: namerFor(NAMES, undefined, clock),
  prefix: PREFIX,
  name: "web",
  initially: ["10.0.0.1:80", "10.0.0.2:80"],
  bind: undefined,
  unknown: ["other"],
  close() {},
}));

describe("staticNamer()", () => {
  const leaf = (id: string, ...residual: readonly string[]): Outcome<LookupTree> => ({
    state: "ok",
    value: { kind: "leaf", value: { kind: "bound", name: { id, residual } } },
  });

  test("the longest configured path that a path begins with is its id", async () => {
    const namer = namerFor(NAMES);
    expect(await lookup(namer, "web")).toEqual(leaf("/#/static/web"));
    expect(await lookup(namer, "web", "x", "y")).toEqual(leaf("/#/static/web", "x", "y"));
    expect(await lookup(namer, "web", "canary", "x")).toEqual(leaf("/#/static/web/canary", "x"));
    for (const path of [["webs"], ["eu"], ["eu", "web"], []]) {
      expect(await lookup(namer, ...path)).toEqual(NEG);
    }
  });

  test("a name `/` takes all paths that no other takes", async () => {
    const namer = namerFor([{ path: "/", endpoints: [endpoint("10.0.0.9")] }, ...NAMES]);
    expect(await lookup(namer, "what", "ever")).toEqual(leaf("/#/static", "what", "ever"));
    expect(await lookup(namer, "web")).toEqual(leaf("/#/static/web"));
    expect(await addresses(namer)).toMatchObject({
      state: "bound",
      endpoints: [{ ip: "10.0.0.9" }],
    });
  });

  test("looks host names up; hosts that do not exist are no endpoints of a name that does", async () => {
    const found = namerFor(NAMES, { state: "found", ips: ["10.9.9.9"] });
    expect(await addresses(found, "eu", "api")).toEqual({
      state: "bound",
      endpoints: [{ ip: "10.9.9.9", port: 80, weight: 1 }],
    });
    const unknown = namerFor(NAMES, { state: "unknown" });
    expect(await lookup(unknown, "eu", "api")).toEqual(leaf("/#/static/eu/api"));
    expect(await addresses(unknown, "eu", "api")).toEqual({ state: "bound", endpoints: [] });
    const failed = namerFor(NAMES, { state: "failed", cause: "EAI_AGAIN" });
    expect(await lookup(failed, "eu", "api")).toEqual(leaf("/#/static/eu/api"));
    expect(await addresses(failed, "eu", "api")).toMatchObject({ state: "failed" });
  });

  test("a name without endpoints exists", async () => {
    const namer = namerFor(NAMES);
    expect(await lookup(namer, "none")).toEqual(leaf("/#/static/none"));
    expect(await addresses(namer, "none")).toEqual({ state: "bound", endpoints: [] });
  });

  test("lists its names, sorted", async () => {
    const namer = namerFor(NAMES);
    const lists = await told<readonly string[]>((signal, report) => namer.names?.(signal, report));
    expect(lists).toEqual([
      ["/#/static/eu/api", "/#/static/none", "/#/static/web", "/#/static/web/canary"],
    ]);
  });
});
