import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { fakePlan } from "../../test/support/fake-check-plan.ts";
import type { CheckKind, HealthCheckConfig } from "../config/health-types.ts";
import { seededRng } from "../lib/rng.ts";
import { Aggregate } from "../telemetry/aggregate.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { DestinationHealth } from "./destination-health.ts";
import { HealthChecks } from "./health-checks.ts";

const SOON_MS = 120;
const PRIMARY: CheckKind = {
  kind: "postgres",
  role: "primary",
  user: "u",
  database: "d",
  password: undefined,
};

type Settings = Pick<HealthCheckConfig, "initially" | "onUnhealthy">;

function setup(settings: Partial<Settings> = {}, check: CheckKind = { kind: "tcp" }) {
  const clock = new FakeClock();
  const aggregate = new Aggregate();
  const registry = new Registry(aggregate.source("test"));
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const checks = new HealthChecks({
    clock,
    rng: seededRng(1),
    log: silentLogger,
    registry,
    maxUnderWay: 100,
  });
  const { key, plan, connector } = fakePlan(clock);
  const told: string[] = [];
  const endpoints: { spec: { ip: string; port: number; id: number } }[] = [];
  const health = new DestinationHealth({
    destination: {
      router: "rt",
      path: "/svc/web",
      endpoints,
      idsOf: ({ port }) => endpoints.flatMap(({ spec }) => (spec.port === port ? [spec.id] : [])),
      setHealth: ({ port }, healthy) => told.push(`${port} ${healthy ? "healthy" : "unhealthy"}`),
    },
    settings: { check, initially: "healthy", onUnhealthy: "keep", intervalMs: 1_000, ...settings },
    prepared: { key, plan },
    checks,
    registry,
    log,
    onDemoted: (ids, how) => told.push(`${how} ${ids.join(" ")}`),
  });
  /** The name stands for these ports; `kept` are still known. */
  const apply = (ports: readonly number[], kept: readonly number[] = []): void => {
    health.expect(ports.map(at));
    told.push("applied");
    endpoints.splice(
      0,
      endpoints.length,
      ...[...ports, ...kept].map((port) => ({ spec: { ...at(port), id: port * 100 } })),
    );
    health.settle();
  };
  /** The outcomes of the next checks, in order of the ports. */
  const round = (...passes: readonly boolean[]): void => {
    const before = connector.attempts.length;
    clock.advance(SOON_MS);
    while (connector.attempts.length < before + passes.length) clock.advance(10);
    const made = connector.attempts.slice(before).toSorted((a, b) => a.target.port - b.target.port);
    made.forEach((attempt, index) => (passes[index] === true ? attempt.succeed() : attempt.fail()));
  };
  const number = (name: string, ...labels: string[]): number | undefined => {
    const family = aggregate.collect([]).find(({ definition }) => definition.name === name);
    return family?.series.find((series) => labels.every((label) => series.labels.includes(label)))
      ?.numbers[0];
  };
  return { clock, health, told, apply, round, number, warnings, connector };
}

const at = (port: number) => ({ ip: "10.0.0.1", port });

describe("DestinationHealth", () => {
  test("says what is unhealthy and what is healthy again, and counts", () => {
    const { apply, round, told, number, health } = setup();
    apply([1, 2]);
    round(true, false);
    expect(health.reason(at(2))).toBe("refused: as the test says");
    round(true, false);
    expect(told).toEqual(["applied", "2 unhealthy"]);
    expect(number("l5d_health_unhealthy_endpoints")).toBe(1);
    round(true, true);
    round(true, true);
    expect(told.slice(2)).toEqual(["2 healthy"]);
    expect([health.reason(at(2)), health.reason(at(3))]).toEqual([undefined, undefined]);
    expect(number("l5d_health_checks_total", "passed")).toBe(6);
    expect(number("l5d_health_checks_total", "refused")).toBe(2);
    expect(number("l5d_health_changes_total", "unhealthy")).toBe(1);
    expect([
      number("l5d_health_unhealthy_endpoints"),
      number("l5d_health_checked_endpoints"),
    ]).toEqual([0, 2]);
  });

  test("initially unhealthy: an endpoint is so before workers hear of it, until one check has passed", () => {
    const { apply, round, told, health } = setup({ initially: "unhealthy", onUnhealthy: "cut" });
    apply([1, 2]);
    expect(told).toEqual(["1 unhealthy", "2 unhealthy", "applied"]);
    expect(health.reason(at(1))).toBe("not checked yet");
    round(true, false);
    round(true, false);
    // Port 2 may have connections that were made by other settings, before a reload.
    expect(told.slice(3)).toEqual(["1 healthy", "cut 200"]);
  });

  for (const onUnhealthy of ["cut", "drain"] as const) {
    test(`${onUnhealthy}: first there are no new connections, then the old ones are ended`, () => {
      const { apply, round, told } = setup({ onUnhealthy });
      apply([1, 2]);
      round(true, true);
      round(true, false);
      round(true, false);
      expect(told).toEqual(["applied", "2 unhealthy", `${onUnhealthy} 200`]);
    });
  }

  test("goes on checking an endpoint that has left its name while its connections last, then forgets it", () => {
    const { apply, round, told, health, connector, clock } = setup({ onUnhealthy: "cut" });
    apply([1, 2]);
    round(true, true);
    apply([1], [2]);
    round(true, false);
    round(true, false);
    expect(told.slice(2)).toEqual(["2 unhealthy", "cut 200"]);
    apply([1]);
    expect(told.slice(4)).toEqual(["applied", "2 healthy"]);
    expect(health.reason(at(2))).toBeUndefined();
    const made = connector.attempts.length;
    clock.advance(1_200);
    expect(connector.attempts.slice(made).map(({ target }) => target.port)).toEqual([1]);
  });

  test("begins many checks one after the other, all within the interval", () => {
    const { apply, clock, connector } = setup();
    apply(Array.from({ length: 2_000 }, (_, index) => index + 1));
    const passAll = () => connector.attempts.forEach((attempt) => attempt.succeed());
    clock.advance(100);
    expect(connector.attempts.length).toBeGreaterThan(20);
    expect(connector.attempts.length).toBeLessThan(400);
    for (let ms = 0; ms < 950; ms += 10) {
      connector.attempts.splice(0).forEach((attempt) => attempt.succeed());
      clock.advance(10);
    }
    passAll();
  });

  test("warns where two go on saying that they are the primary, and not while one takes over", () => {
    const { apply, round, warnings } = setup(
      { initially: "unhealthy", onUnhealthy: "cut" },
      PRIMARY,
    );
    apply([1, 2]);
    round(true, false);
    round(true, true);
    expect(warnings).toEqual([]);
    for (let count = 0; count < 10; count += 1) round(true, true);
    expect(warnings).toEqual(["several endpoints say that they have the role"]);
  });
});
