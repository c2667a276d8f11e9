import { describe, expect, test } from "bun:test";
import { afterFailures } from "../../test/support/accrual-config.ts";
import { clientFor } from "./client-for.ts";
import type { ClientRule } from "./types.ts";

const TLS_A = { dnsName: "a", trustPem: undefined };
const TLS_B = { dnsName: "b", trustPem: ["PEM"] };

describe("clientFor()", () => {
  test("gives the defaults where no rule fits", () => {
    expect(clientFor([{ prefix: "/svc/a", maxWaiters: 1 }], "/svc/b")).toEqual({
      tls: undefined,
      proxyProtocol: undefined,
      healthCheck: undefined,
      connectTimeoutMs: 3_000,
      maxWaiters: 1_000_000,
      minConnections: 0,
      retryBudget: { minRetriesPerSec: 10, percentCanRetry: 0.2, ttlMs: 10_000 },
      maxConnectionsPerEndpoint: Number.POSITIVE_INFINITY,
      accrual: {
        rule: { kind: "consecutiveFailures", failures: 5 },
        backoff: { kind: "constant", ms: 60_000 },
        maxEjectedPercent: 100,
        dryRun: false,
      },
      slowStart: { windowMs: 0, minShare: 0.1 },
      panicThresholdPercent: 0,
      loadBalancer: { kind: "p2c" },
      socketOptions: {
        keepAlive: { idleSecs: 60, intervalSecs: 10, probes: 6 },
        userTimeoutMs: 0,
      },
      drain: {
        onRemoval: undefined,
        windowMs: 30_000,
        maxPerSecond: Number.POSITIVE_INFINITY,
        deadlineMs: 300_000,
      },
    });
  });

  test("merges rules key by key, the later ones winning, whatever the length of their prefixes", () => {
    const rules = [
      { prefix: "/svc/a", tls: TLS_A, maxWaiters: 1, failFast: { failurePenaltyMs: 9_000 } },
      { prefix: "/svc", maxWaiters: 2, minConnections: 3, failFast: { maxConsecutiveFailures: 7 } },
      { prefix: "/other", maxWaiters: 4 },
    ];
    expect(clientFor(rules, "/svc/a")).toMatchObject({
      tls: TLS_A,
      maxWaiters: 2,
      minConnections: 3,
      accrual: {
        rule: { kind: "consecutiveFailures", failures: 7 },
        backoff: { kind: "constant", ms: 9_000 },
      },
    });
  });

  test("takes of failFast and failureAccrual the one that comes later, and none of the other's keys", () => {
    const fast = { prefix: "/", failFast: { maxConsecutiveFailures: 2, failurePenaltyMs: 9_000 } };
    const penalty = { prefix: "/", failFast: { failurePenaltyMs: 7_000 } };
    const accrual = afterFailures(9, 1_234, { dryRun: true });
    const slow = { prefix: "/", accrual };
    const of = (...rules: readonly ClientRule[]) => clientFor(rules, "/svc").accrual;
    expect(of(fast, slow)).toEqual(accrual);
    expect(of(slow, { prefix: "/", maxWaiters: 3 })).toEqual(accrual);
    expect(of(fast, slow, penalty)).toEqual({
      rule: { kind: "consecutiveFailures", failures: 5 },
      backoff: { kind: "constant", ms: 7_000 },
      maxEjectedPercent: 100,
      dryRun: false,
    });
    expect(of({ prefix: "/", failFast: { failurePenaltyMs: 0 } }).rule).toEqual({ kind: "none" });
  });

  test("replaces tls and loadBalancer as a whole", () => {
    const ewma = { kind: "ewma", decayTimeMs: 1 } as const;
    const heap = { kind: "leastConnections" } as const;
    const rules = [
      { prefix: "/", tls: TLS_B, loadBalancer: ewma },
      { prefix: "/svc", tls: TLS_A, loadBalancer: heap },
    ];
    expect(clientFor(rules, "/svc/a")).toMatchObject({ tls: TLS_A });
    expect(clientFor(rules, "/svc/a").loadBalancer).toEqual(heap);
    expect(clientFor(rules, "/other").loadBalancer).toEqual(ewma);
  });

  test("says nothing of prefixes, and changes no rule", () => {
    const rule = Object.freeze({ prefix: "/", maxWaiters: 2 });
    expect(clientFor([rule], "/svc")).not.toHaveProperty("prefix");
    expect(clientFor([], "/svc").maxWaiters).toBe(1_000_000);
  });
});
