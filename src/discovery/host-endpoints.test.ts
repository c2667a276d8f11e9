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
