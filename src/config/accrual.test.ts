import { describe, expect, test } from "bun:test";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";
import { clientFor } from "./client-for.ts";
import type { DestinationConfig } from "./types.ts";

function file(client: string): string {
  return `routers:
- label: a
  interpreter: {kind: io.l5d.static, names: {/svc/a: ["h:1"]}}
  servers: [{port: 1, dstName: /svc/a}]
  client: ${client}
`;
}

const keys = (text: string): string => file(`{kind: io.l5d.global, ${text}}`);

function settings(text: string): DestinationConfig {
  return clientFor(configFrom(keys(text)).routers[0]?.client ?? [], "/svc/a");
}

/** Problems without their places in the file. */
function problems(text: string): readonly string[] {
  return problemsIn(text).map((line) =>
    line.replace(/^.*?(error|warning): routers\[0\]\.client(\.|: )/, ""),
  );
}

const USUAL = { kind: "equalJittered", minMs: 5_000, maxMs: 300_000 } as const;

describe("failureAccrual", () => {
  test("has linkerd's backoff where it names none, and all endpoints but the last at most", () => {
    expect(settings("failureAccrual: {kind: io.l5d.consecutiveFailures}").accrual).toEqual({
      rule: { kind: "consecutiveFailures", failures: 5 },
      backoff: USUAL,
      maxEjectedPercent: 100,
      dryRun: false,
    });
  });

  test("may be each of linkerd's kinds", () => {
    const rule = (text: string) => settings(`failureAccrual: {${text}}`).accrual.rule;
    expect(rule("kind: io.l5d.consecutiveFailures, failures: 20")).toEqual({
      kind: "consecutiveFailures",
      failures: 20,
    });
    expect(rule("kind: io.l5d.successRate, successRate: 0.9, requests: 1000")).toEqual({
      kind: "successRate",
      successRate: 0.9,
      requests: 1_000,
    });
    expect(rule("kind: io.l5d.successRateWindowed, successRate: 0.9, window: 60")).toEqual({
      kind: "successRateWindowed",
      successRate: 0.9,
      windowMs: 60_000,
    });
    expect(rule("kind: none")).toEqual({ kind: "none" });
  });

  test("may have each of linkerd's backoffs; one of no time ejects nothing", () => {
    const of = (backoff: string) =>
      settings(`failureAccrual: {kind: io.l5d.consecutiveFailures, backoff: ${backoff}}`).accrual;
    expect(of("{kind: constant, ms: 10000}").backoff).toEqual({ kind: "constant", ms: 10_000 });
    const jittered = { kind: "jittered", minMs: 1_000, maxMs: 9_000 } as const;
    expect(of("{kind: jittered, minMs: 1000, maxMs: 9000}").backoff).toEqual(jittered);
    expect(of("{kind: constant, ms: 0}").rule).toEqual({ kind: "none" });
    expect(of("{kind: constant}").rule).toEqual({ kind: "none" });
  });

  test("is refused where it says the impossible", () => {
    const of = (text: string) => problems(keys(`failureAccrual: {${text}}`));
    const consecutive = "kind: io.l5d.consecutiveFailures";
    expect(of(`${consecutive}, failures: 0`)).toEqual([
      "failureAccrual.failures: expected a whole number, 1 or more, found 0",
    ]);
    expect(of(`${consecutive}, maxEjectedPercent: 101`)).toEqual([
      "failureAccrual.maxEjectedPercent: expected a whole number from 0 to 100, found 101",
    ]);
    expect(of(`${consecutive}, backoff: {kind: jittered, minMs: 2, maxMs: 1}`)).toEqual([
      "failureAccrual.backoff.minMs: expected maxMs, which is 1, or less, found 2",
    ]);
    expect(of("kind: io.l5d.successRate, successRate: 90, requests: 5")).toEqual([
      "failureAccrual.successRate: expected a number from 0 to 1, found 90",
    ]);
    expect(of("kind: io.l5d.successRateWindowed, successRate: 0.5")).toEqual([
      "failureAccrual.window: missing: expected a whole number of seconds, 1 or more",
    ]);
    expect(of("kind: none, failures: 5")).toHaveLength(1);
  });

  test("says which kinds there are to who writes another", () => {
    expect(problems(keys("failureAccrual: {kind: io.l5d.consecutivefailures}"))).toEqual([
      'failureAccrual.kind: expected one of "io.l5d.consecutiveFailures", "io.l5d.successRate", ' +
        '"io.l5d.successRateWindowed", "none", found "io.l5d.consecutivefailures"; ' +
        'did you mean "io.l5d.consecutiveFailures"?',
    ]);
  });

  test("does not stand beside failFast in one rule, and replaces that of an earlier rule", () => {
    const accrual = "failureAccrual: {kind: none}";
    expect(problems(keys(`failFast: {}, ${accrual}`))).toEqual([
      "failFast: failFast and failureAccrual say the same thing in two ways; " +
        "keep failureAccrual, which can say more, or failFast",
    ]);
    const rules = (first: string, second: string): string =>
      file(`{kind: io.l5d.static, configs: [{prefix: /, ${first}}, {prefix: /svc, ${second}}]}`);
    const rule = (...[first, second]: readonly [string, string]) =>
      clientFor(configFrom(rules(first, second)).routers[0]?.client ?? [], "/svc/a").accrual.rule;
    const fast = "failFast: {maxConsecutiveFailures: 2}";
    expect(rule(fast, accrual)).toEqual({ kind: "none" });
    expect(rule(accrual, fast)).toEqual({ kind: "consecutiveFailures", failures: 2 });
    expect(rule(accrual, "maxWaiters: 1")).toEqual({ kind: "none" });
  });
});

describe("slowStart and panicThresholdPercent", () => {
  test("are off where they are not given", () => {
    const { slowStart, panicThresholdPercent } = settings("maxWaiters: 1");
    expect([slowStart, panicThresholdPercent]).toEqual([{ windowMs: 0, minShare: 0.1 }, 0]);
  });

  test("are in milliseconds and parts, and in percent", () => {
    const { slowStart, panicThresholdPercent } = settings(
      "slowStart: {windowSecs: 30, minPercent: 20}, panicThresholdPercent: 40",
    );
    expect([slowStart, panicThresholdPercent]).toEqual([{ windowMs: 30_000, minShare: 0.2 }, 40]);
  });

  test("have their bounds", () => {
    expect(problems(keys("slowStart: {minPercent: 0}"))).toHaveLength(1);
    expect(problems(keys("slowStart: {windowSecs: -1}"))).toHaveLength(1);
    expect(problems(keys("panicThresholdPercent: 100.5"))).toHaveLength(1);
  });

  test("warn where a check of roles leaves no room for panic", () => {
    const role = "healthCheck: {kind: redis, role: master}";
    expect(problems(keys(`panicThresholdPercent: 50, ${role}`))).toEqual([
      "panicThresholdPercent has no effect beside a check of roles: an endpoint of another role is never picked",
    ]);
    expect(settings(`panicThresholdPercent: 50, ${role}`).panicThresholdPercent).toBe(0);
    expect(problems(keys("panicThresholdPercent: 50"))).toEqual([]);
  });
});
