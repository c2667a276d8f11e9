import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { HostEndpoint } from "../config/types.ts";
import { seededRng } from "../lib/rng.ts";
import type { Resolution } from "../naming/resolution.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { HostEndpoints } from "./host-endpoints.ts";
import type { HostAnswer } from "./host-lookup.ts";
import { ResolverMetrics } from "./metrics.ts";

const found = (...ips: readonly string[]): HostAnswer => ({ state: "found", ips });
const foundFor = (ttlMs: number, ip: string): HostAnswer => ({ state: "found", ips: [ip], ttlMs });
const UNKNOWN: HostAnswer = { state: "unknown" };
const FAILED: HostAnswer = { state: "failed", cause: "EAI_AGAIN" };
const at = (host: string, weight = 1): HostEndpoint => ({ host, port: 80, weight });

let clock: FakeClock;
let reports: Resolution[];
let hosts: HostEndpoints;
let answers: Map<string, HostAnswer | Promise<HostAnswer>>;
let asked: string[];

beforeEach(() => {
  clock = new FakeClock();
  reports = [];
  answers = new Map();
  asked = [];
  const deps = {
    clock,
    rng: seededRng(1),
    log: silentLogger,
    metrics: new ResolverMetrics(new Registry(() => {}), "", "r"),
    lookup: async (host: string) => {
      asked.push(host);
      return (await answers.get(host)) ?? UNKNOWN;
    },
  };
  hosts = new HostEndpoints(deps, (resolution) => reports.push(resolution));
});

/** Lets the answers that are ready arrive. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};
/** Lets time pass until the names are looked up again. */
const nextRound = async (): Promise<void> => {
  clock.advance(6_000);
  await settle();
};
const ips = (): string[] | string | undefined => {
  const last = reports.at(-1);
  return last?.state === "bound" ? last.endpoints.map(({ ip }) => ip) : last?.state;
};

describe("HostEndpoints", () => {
  test("reports addresses at once, without asking anybody", () => {
    hosts.set([at("10.0.0.2"), at("10.0.0.1", 3), at("::1")]);
    expect(reports).toEqual([
      {
        state: "bound",
        endpoints: [
          { ip: "10.0.0.1", port: 80, weight: 3 },
          { ip: "10.0.0.2", port: 80, weight: 1 },
          { ip: "::1", port: 80, weight: 1 },
        ],
      },
    ]);
    expect(asked).toEqual([]);
  });

  test("gives each address of a host the port and the weight of its line", async () => {
    answers.set("web", found("10.0.0.1", "2001:db8:0:0:0:0:0:1"));
    hosts.set([at("web", 4)]);
    await settle();
    expect(reports).toEqual([
      {
        state: "bound",
        endpoints: [
          { ip: "10.0.0.1", port: 80, weight: 4 },
          { ip: "2001:db8::1", port: 80, weight: 4 },
        ],
      },
    ]);
  });

  test("looks names up again and again, and reports each time", async () => {
    answers.set("web", found("10.0.0.1"));
    hosts.set([at("web")]);
    await settle();
    clock.advance(3_900);
    expect(asked.length).toBe(1);
    answers.set("web", found("10.0.0.2"));
    clock.advance(2_100);
    await settle();
    expect(ips()).toEqual(["10.0.0.2"]);
    for (let round = 3; round < 10; round++) await nextRound();
    expect(asked.length).toBe(9);
    expect(reports.length).toBeGreaterThanOrEqual(9);
  });

  test.each([
    ["after its time to live", 20_000, 16_000, 24_000],
    ["after a second where it is shorter", 0, 1_000, 1_200],
    ["after five minutes where it is longer", 86_400_000, 240_000, 360_000],
  ])("looks a name up again %s, give or take a fifth", async (_, ttlMs, earliestMs, latestMs) => {
    answers.set("web", foundFor(ttlMs, "10.0.0.1"));
    hosts.set([at("web")]);
    await settle();
    clock.advance(earliestMs - 1);
    await settle();
    expect(asked.length).toBe(1);
    clock.advance(latestMs - earliestMs + 1);
    await settle();
    expect(asked.length).toBe(2);
    // Answers that still hold are confirmed as often as others are looked up.
    expect(reports.length).toBeGreaterThanOrEqual(Math.floor(earliestMs / 6_000));
  });

  test("looks each name up in its own time, those that go together at once", async () => {
    answers.set("short", foundFor(2_000, "10.0.0.1"));
    answers.set("long", foundFor(60_000, "10.0.0.2"));
    answers.set("long too", foundFor(60_000, "10.0.0.3"));
    answers.set("none", { state: "unknown", ttlMs: 60_000 });
    hosts.set(["short", "long", "long too", "none"].map((host) => at(host)));
    await settle();
    const times = new Map<string, number[]>();
    for (let ms = 0; ms < 120_000; ms += 100) {
      const before = asked.length;
      clock.advance(100);
      await settle();
      for (const host of asked.slice(before)) times.set(host, [...(times.get(host) ?? []), ms]);
    }
    expect(times.get("short")?.length).toBeGreaterThanOrEqual(48);
    expect(times.get("long")?.length).toBeLessThanOrEqual(2);
    expect(times.get("long too")).toEqual(times.get("long") ?? []);
    expect(times.get("none")).toEqual(times.get("long") ?? []);
  });

  test("names that were looked up together stay together, though one answers later", async () => {
    const slow = Promise.withResolvers<HostAnswer>();
    answers.set("quick", foundFor(2_000, "10.0.0.1"));
    answers.set("slow", slow.promise);
    hosts.set([at("quick"), at("slow")]);
    clock.advance(300);
    slow.resolve(foundFor(2_000, "10.0.0.2"));
    await settle();
    for (let ms = 0; ms < 2_100 && asked.length === 2; ms += 10) {
      clock.advance(10);
      await settle();
    }
    expect(asked).toEqual(["quick", "slow", "quick", "slow"]);
  });

  test("looks a name that failed up again after five seconds", async () => {
    answers.set("web", foundFor(60_000, "10.0.0.1"));
    hosts.set([at("web")]);
    await settle();
    answers.set("web", FAILED);
    for (let round = 0; round < 13; round++) await nextRound();
    const { length } = asked;
    expect(length).toBeGreaterThanOrEqual(2);
    await nextRound();
    expect(asked.length).toBe(length + 1);
  });

  test("confirms plain addresses from time to time as well", () => {
    hosts.set([at("10.0.0.1")]);
    clock.advance(6_000);
    expect(reports.length).toBe(2);
  });

  test.each([
    ["is unknown", UNKNOWN],
    ["cannot be looked up", FAILED],
  ])("keeps the addresses of a host that %s by now", async (_, answer) => {
    answers.set("web", found("10.0.0.1"));
    answers.set("db", found("10.0.0.9"));
    hosts.set([at("web"), at("db")]);
    await settle();
    answers.set("web", answer);
    answers.set("db", found("10.0.0.8"));
    await nextRound();
    expect(ips()).toEqual(["10.0.0.1", "10.0.0.8"]);
  });

  test("reports those that are known without those that are not", async () => {
    answers.set("web", found("10.0.0.1"));
    answers.set("db", FAILED);
    hosts.set([at("web"), at("db"), at("nope")]);
    await settle();
    expect(ips()).toEqual(["10.0.0.1"]);
  });

  test("is neg when no host exists, and failed when that is not sure", async () => {
    hosts.set([at("nope"), at("nada")]);
    await settle();
    expect(ips()).toBe("neg");
    answers.set("nada", FAILED);
    await nextRound();
    expect(reports.at(-1)).toEqual({ state: "failed", cause: "cannot look up nada (EAI_AGAIN)" });
  });

  test("an empty list is bound to nothing", () => {
    hosts.set([]);
    expect(reports).toEqual([{ state: "bound", endpoints: [] }]);
  });

  test("does not wait long for a slow host, nor ask twice, and takes its answer when it comes", async () => {
    const slow = Promise.withResolvers<HostAnswer>();
    answers.set("web", found("10.0.0.1"));
    answers.set("slow", slow.promise);
    hosts.set([at("web"), at("slow")]);
    await settle();
    expect(reports).toEqual([]);
    clock.advance(1_000);
    expect(ips()).toEqual(["10.0.0.1"]);
    await nextRound();
    await nextRound();
    expect(asked.filter((host) => host === "slow").length).toBe(1);
    slow.resolve(found("10.0.0.5"));
    await settle();
    expect(ips()).toEqual(["10.0.0.1", "10.0.0.5"]);
  });

  test("takes a late answer at once, though another is still missing", async () => {
    const late = Promise.withResolvers<HostAnswer>();
    answers.set("late", late.promise);
    answers.set("never", Promise.withResolvers<HostAnswer>().promise);
    hosts.set([at("10.0.0.1"), at("late"), at("never")]);
    clock.advance(1_000);
    expect(ips()).toEqual(["10.0.0.1"]);
    late.resolve(found("10.0.0.2"));
    await settle();
    expect(ips()).toEqual(["10.0.0.1", "10.0.0.2"]);
  });

  test("reports nothing as long as nothing is known", async () => {
    const slow = Promise.withResolvers<HostAnswer>();
    answers.set("slow", slow.promise);
    hosts.set([at("slow")]);
    clock.advance(20_000);
    await settle();
    expect(reports).toEqual([]);
    slow.resolve(UNKNOWN);
    await settle();
    expect(ips()).toBe("neg");
  });

  test("asks for a new host only, when the list changes, and forgets the old ones", async () => {
    answers.set("web", found("10.0.0.1"));
    hosts.set([at("web")]);
    await settle();
    hosts.set([at("web")]);
    expect(asked.length).toBe(1);
    answers.set("db", found("10.0.0.9"));
    hosts.set([at("db")]);
    await settle();
    expect(ips()).toEqual(["10.0.0.9"]);
    expect(asked).toEqual(["web", "db"]);
  });

  test("reports nothing after it was cleared, and leaves no timer", async () => {
    const late = Promise.withResolvers<HostAnswer>();
    answers.set("web", late.promise);
    hosts.set([at("web")]);
    hosts.clear();
    late.resolve(found("10.0.0.1"));
    await settle();
    expect(reports).toEqual([]);
    expect(clock.pending).toBe(0);
    hosts.set([at("10.0.0.1")]);
    expect(reports.length).toBe(1);
  });
});
