import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { fakePlan } from "../../test/support/fake-check-plan.ts";
import { seededRng } from "../lib/rng.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import type { CheckResult } from "./health-state.ts";
import { HealthChecks } from "./health-checks.ts";

/** Longer than the grain of the agenda. */
const SOON_MS = 20;

function setup(maxUnderWay = 100) {
  const clock = new FakeClock();
  const checks = new HealthChecks({
    clock,
    rng: seededRng(1),
    log: silentLogger,
    registry: new Registry(() => {}),
    maxUnderWay,
  });
  const fake = fakePlan(clock);
  const results: CheckResult[] = [];
  let verdicts = 0;
  const subscriber = () => ({
    name: "/svc/web",
    onResult: (result: CheckResult) => results.push(result),
    onVerdict: () => (verdicts += 1),
  });
  const join = (port: number, delayMs = 0) =>
    checks.join(fake, { ip: "10.0.0.1", port }, delayMs, subscriber());
  return { clock, checks, join, results, connector: fake.connector, verdicts: () => verdicts };
}

describe("HealthChecks", () => {
  test("checks at once, then every interval, give or take a tenth, and tells verdicts", () => {
    const { clock, join, connector, results, verdicts } = setup();
    const { state } = join(1);
    clock.advance(SOON_MS);
    expect(connector.attempts).toHaveLength(1);
    const socket = connector.last.succeed();
    expect([state.verdict, socket.state, verdicts()]).toEqual(["healthy", "closed", 1]);
    const times: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      const startMs = clock.now();
      while (connector.attempts.length < round + 2) clock.advance(1);
      times.push(clock.now() - startMs);
      connector.last.succeed();
    }
    expect(Math.min(...times)).toBeGreaterThanOrEqual(890);
    expect(Math.max(...times)).toBeLessThanOrEqual(1_120);
    expect(new Set(times.map((ms) => Math.round(ms / 10))).size).toBeGreaterThan(5);
    expect([results.length, verdicts()]).toEqual([31, 1]);
  });

  test("gives a check no longer than its timeout", () => {
    const { clock, join, connector, results } = setup();
    join(1);
    clock.advance(SOON_MS + 300);
    expect(connector.last.aborted).toBe(true);
    expect(results).toEqual([
      { passed: false, cause: "timeout", reason: "timeout: no connection" },
    ]);
  });

  test("makes one check for all who ask for an address, until the last one has left", () => {
    const { clock, checks, join, connector, results } = setup();
    const members = [join(1), join(1), join(1)];
    join(2);
    clock.advance(SOON_MS);
    expect(connector.attempts.map(({ target }) => target.port)).toEqual([1, 2]);
    connector.attempts[0]?.succeed();
    expect(results).toHaveLength(3);
    expect(join(1).state).toBe(members[0]?.state as never);
    checks.stop();
    clock.advance(10_000);
    expect([connector.attempts.length, clock.pending]).toEqual([2, 0]);
  });

  test("ends the check of one who leaves, and forgets what it found", () => {
    const { clock, join, connector, results } = setup();
    const member = join(1);
    clock.advance(SOON_MS);
    member.leave();
    member.leave();
    expect(connector.last.aborted).toBe(true);
    clock.advance(10_000);
    expect([connector.attempts.length, results.length]).toEqual([1, 0]);
    const again = join(1);
    expect(again.state).not.toBe(member.state);
    clock.advance(SOON_MS);
    expect(connector.attempts).toHaveLength(2);
  });

  test("has no more than so many under way; others wait in order, and those who leave let them in", () => {
    const { clock, join, connector } = setup(2);
    const members = [1, 2, 3, 4, 5].map((port) => join(port, port));
    clock.advance(SOON_MS);
    const ports = () => connector.attempts.map(({ target }) => target.port);
    expect(ports()).toEqual([1, 2]);
    members[2]?.leave();
    connector.attempts[0]?.fail();
    expect(ports()).toEqual([1, 2, 4]);
    members[1]?.leave();
    expect(ports()).toEqual([1, 2, 4, 5]);
    // The place of 4 and of 5 is free again after their time.
    clock.advance(300 + SOON_MS);
    expect(connector.attempts.slice(2).every(({ aborted }) => aborted)).toBe(true);
    clock.advance(1_100);
    expect(ports().slice(4)).toContain(1);
  });

  test("follows a check that took longer than the interval by the next at once, never two at a time", () => {
    const { clock, checks, connector } = setup();
    const slow = fakePlan(clock, { connector, intervalMs: 10 });
    const subscriber = { name: "x", onResult() {}, onVerdict() {} };
    checks.join(slow, { ip: "10.0.0.1", port: 1 }, 0, subscriber);
    clock.advance(290);
    expect(connector.attempts).toHaveLength(1);
    clock.advance(SOON_MS + SOON_MS);
    expect(connector.attempts).toHaveLength(2);
  });
});
