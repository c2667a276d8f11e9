import { describe, expect, test } from "bun:test";
import { clientFor } from "./client-for.ts";

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
      maxConsecutiveFailures: 5,
      failurePenaltyMs: 60_000,
      loadBalancer: { kind: "p2c" },
    });
  });

  test("merges rules key by key, the later ones winning, whatever the length of their prefixes", () => {
    const rules = [
      { prefix: "/svc/a", tls: TLS_A, maxWaiters: 1, failurePenaltyMs: 9_000 },
      { prefix: "/svc", maxWaiters: 2, minConnections: 3, maxConsecutiveFailures: 7 },
      { prefix: "/other", maxWaiters: 4 },
    ];
    expect(clientFor(rules, "/svc/a")).toMatchObject({
      tls: TLS_A,
      maxWaiters: 2,
      minConnections: 3,
      maxConsecutiveFailures: 7,
      failurePenaltyMs: 9_000,
    });
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
