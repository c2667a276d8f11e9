import { describe, expect, test } from "bun:test";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";
import { clientFor } from "./client-for.ts";

function file(client: string): string {
  return `admin: {port: 0}
routers: [{label: a, interpreter: {kind: io.l5d.static, names: {/svc/web: []}},
    servers: [{port: 1, dstName: /svc/web}], client: ${client}}]`;
}

function settings(client: string) {
  const { retryBudget, maxConnectionsPerEndpoint } = clientFor(
    configFrom(file(client)).routers[0]?.client ?? [],
    "/svc/web",
  );
  return { ...retryBudget, max: maxConnectionsPerEndpoint };
}

const DEFAULT = {
  minRetriesPerSec: 10,
  percentCanRetry: 0.2,
  ttlMs: 10_000,
  max: Number.POSITIVE_INFINITY,
};

describe("retries and hostConnectionPool", () => {
  for (const [text, wanted] of [
    ["{kind: io.l5d.global}", {}],
    ["{kind: io.l5d.global, retries: {}, hostConnectionPool: {}}", {}],
    ["{kind: io.l5d.global, retries: {budget: {}}}", {}],
    ["{kind: io.l5d.global, retries: {budget: {minRetriesPerSec: 0}}}", { minRetriesPerSec: 0 }],
    [
      "{kind: io.l5d.global, retries: {budget: {percentCanRetry: 1000, ttlSecs: 60}}}",
      { percentCanRetry: 1_000, ttlMs: 60_000 },
    ],
    ["{kind: io.l5d.global, hostConnectionPool: {maxSize: 7}}", { max: 7 }],
    ["{kind: io.l5d.global, hostConnectionPool: {maxSize: 0}}", {}],
    [
      `{kind: io.l5d.static, configs: [
         {prefix: /svc, retries: {budget: {minRetriesPerSec: 3}}, hostConnectionPool: {maxSize: 7}},
         {prefix: /svc/web, retries: {budget: {ttlSecs: 1}}, hostConnectionPool: {maxSize: 0}}]}`,
      { ttlMs: 1_000 },
    ],
  ] as const) {
    test(`means by ${text} what it says, and the defaults for the rest`, () => {
      expect(settings(text)).toEqual({ ...DEFAULT, ...wanted });
    });
  }

  for (const [text, complaint] of [
    ["retries: 3", "an object"],
    ["retries: {maxRetries: 3}", "unknown key"],
    ["retries: {budget: {minRetriesPerSec: -1}}", "0 or more"],
    ["retries: {budget: {minRetriesPerSec: 0.5}}", "a whole number"],
    ["retries: {budget: {percentCanRetry: 1001}}", "a number from 0 to 1000"],
    ["retries: {budget: {percentCanRetry: 20%}}", "0.2 is one retry for five connections"],
    ["retries: {budget: {ttlSecs: 0}}", "a whole number of seconds, 1 to 60"],
    ["retries: {budget: {ttlSecs: 61}}", "a whole number of seconds, 1 to 60"],
    ["hostConnectionPool: {maxSize: -1}", "1 or more, or 0 for no limit"],
    ["hostConnectionPool: {minSize: 1}", "unknown key"],
    ["requeueBudget: {ttlSecs: 5}", "it is called retries now"],
  ] as const) {
    test(`refuses ${text}`, () => {
      expect(problemsIn(file(`{kind: io.l5d.global, ${text}}`)).join("\n")).toContain(complaint);
    });
  }

  test("warns of a budget without any retry", () => {
    const text = "retries: {budget: {minRetriesPerSec: 0, percentCanRetry: 0}}";
    expect(problemsIn(file(`{kind: io.l5d.global, ${text}}`)).join("\n")).toContain(
      "retries.budget allows no retries",
    );
  });
});
