import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { limitsConfig, perSource } from "../../test/support/limits.ts";
import { readIpWords } from "../lib/ip-words.ts";
import { SharedLimits } from "../admission/shared-limits.ts";
import { RULE_NUMBERS } from "../admission/rules.ts";
import type { LimitsConfig } from "../config/types.ts";
import { seededRng } from "../lib/rng.ts";
import { type Logger, silentLogger } from "../telemetry/log.ts";
import { Limits } from "./limits.ts";

function setup(config: Partial<LimitsConfig>) {
  const clock = new FakeClock();
  const lines: Readonly<Record<string, unknown>>[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (msg, fields) => void lines.push({ msg, ...fields?.() }),
  };
  const limits = new Limits({ workers: 2, clock, clockOffsetMs: 500, rng: seededRng(1), log });
  const server = {
    id: 3,
    router: "rt",
    address: "127.0.0.1:80",
    config: limitsConfig(config),
    maxConnections: 100,
  };
  const sent = limits.set(server);
  if (sent === undefined) throw new Error("no limits");
  const worker = new SharedLimits(sent, 0);
  const words = new Uint32Array(4);
  const take = (ip: string) => worker.take(words, readIpWords(ip, words), clock.now() + 500);
  const refuse = (ip: string, times: number): void => {
    for (let count = 0; count < times; count += 1)
      worker.note(words, readIpWords(ip, words), RULE_NUMBERS.deny, clock.now() + 500);
  };
  return { clock, sent, limits, lines, server, take, refuse };
}

describe("Limits", () => {
  test("tell workers lists of addresses as numbers, not as texts", () => {
    const { sent } = setup({ deny: ["10.0.0.0/8"], allow: ["11.0.0.0/8"] });
    expect([sent.deny?.values4.length, sent.allow?.values4.length]).toEqual([2, 2]);
    expect(JSON.stringify(sent)).not.toContain("10.0.0.0");
    expect(JSON.stringify(sent)).not.toContain("11.0.0.0");
  });

  test("say who is refused and who has most connections", () => {
    const { limits, take, refuse, clock } = setup({ perSource: perSource(9) });
    refuse("10.0.0.1", 3);
    refuse("2001:db8::1", 2);
    for (const ip of ["10.0.0.2", "10.0.0.2", "2001:db8::7"]) take(ip);
    clock.advance(4_000);
    expect(limits.refusals()).toEqual([
      {
        router: "rt",
        address: "127.0.0.1:80",
        dryRun: false,
        refusals: { deny: 5 },
        refused: [
          { source: "10.0.0.1", refusals: 3, uncertain: 0, rule: "deny", secondsAgo: 4 },
          { source: "2001:db8::/64", refusals: 2, uncertain: 0, rule: "deny", secondsAgo: 4 },
        ],
        connected: [
          { source: "10.0.0.2", connections: 2 },
          { source: "2001:db8::/64", connections: 1 },
        ],
      },
    ]);
  });

  test("tell of refusals soon, and then once a minute, with what came since", () => {
    const { clock, lines, refuse } = setup({ dryRun: true });
    clock.advance(10_000);
    expect(lines).toEqual([]);
    refuse("10.0.0.1", 2);
    clock.advance(1_000);
    const line = { msg: "clients would be refused (dryRun)", srv: "127.0.0.1:80" };
    expect(lines).toEqual([{ ...line, deny: 2, worstSource: "10.0.0.1", worstSourceRefusals: 2 }]);
    refuse("10.0.0.9", 5);
    clock.advance(59_000);
    expect(lines).toHaveLength(1);
    clock.advance(1_000);
    expect(lines[1]).toEqual({
      ...line,
      deny: 5,
      worstSource: "10.0.0.9",
      worstSourceRefusals: 5,
    });
    clock.advance(600_000);
    expect(lines).toHaveLength(2);
  });

  test("give back what a dead worker had taken", () => {
    const { limits, take } = setup({ perSource: perSource(1) });
    expect([take("10.0.0.1") > 0, take("10.0.0.1") > 0]).toEqual([true, false]);
    limits.workerDied(1);
    expect(take("10.0.0.1") > 0).toBe(false);
    limits.workerDied(0);
    expect(take("10.0.0.1") > 0).toBe(true);
  });

  test("change while the server runs, and count on where that means the same", () => {
    const { limits, server, clock, refuse } = setup({ perSource: perSource(1) });
    refuse("10.0.0.1", 1);
    const generation = (config: Partial<LimitsConfig> | undefined) =>
      limits.set({ ...server, config: config && limitsConfig(config) })?.generation;
    expect(generation({ perSource: perSource(2), deny: ["10.0.0.0/8"] })).toBe(0);
    expect(limits.refusals()[0]?.refusals).toEqual({ deny: 1 });
    expect(generation({ deny: ["10.0.0.0/8"] })).toBe(1);
    expect(limits.refusals()[0]?.refusals).toEqual({});
    // Sessions of older limits may still be open when a server gets limits again.
    expect([generation(undefined), limits.of(3), limits.refusals()]).toEqual([
      undefined,
      undefined,
      [],
    ]);
    expect(generation({ deny: ["10.0.0.0/8"] })).toBe(2);
    limits.stop();
    expect(clock.pending).toBe(0);
  });
});
