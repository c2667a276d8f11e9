import { describe, expect, test } from "bun:test";
import { configFrom, problemsIn } from "../../test/support/config-text.ts";
import { clientFor } from "./client-for.ts";

function file(loadBalancer: string, more = ""): string {
  return `admin: {port: 0}
routers: [{label: a, interpreter: {kind: io.l5d.static, names: {/svc/web: []}},
    servers: [{port: 1, dstName: /svc/web}], client: {kind: io.l5d.global, loadBalancer: ${loadBalancer}${more}}}]`;
}

function compiled(loadBalancer: string): unknown {
  return configFrom(file(loadBalancer)).routers[0]?.client[0]?.loadBalancer;
}

/** The problems, without places. */
function problems(loadBalancer: string, more?: string): string {
  return problemsIn(file(loadBalancer, more)).join("\n");
}

describe("loadBalancer", () => {
  for (const [text, config] of [
    ["{kind: p2c, maxEffort: 5, enableProbation: false}", { kind: "p2c" }],
    ["{kind: heap}", { kind: "leastConnections" }],
    ["{kind: leastConnections}", { kind: "leastConnections" }],
    ["{kind: roundRobin, maxEffort: 3}", { kind: "roundRobin" }],
    ["{kind: ewma}", { kind: "ewma", decayTimeMs: 10_000 }],
    ["{kind: ewma, maxEffort: 1, decayTimeMs: 5}", { kind: "ewma", decayTimeMs: 5 }],
    [
      "{kind: aperture}",
      { kind: "aperture", minAperture: 1, lowLoad: 0.5, highLoad: 2, smoothWindowMs: 5_000 },
    ],
    [
      "{kind: aperture, maxEffort: 5, minAperture: 3, lowLoad: 0, highLoad: 10.5, smoothWindowMs: 7}",
      { kind: "aperture", minAperture: 3, lowLoad: 0, highLoad: 10.5, smoothWindowMs: 7 },
    ],
    ["{kind: maglev}", { kind: "maglev", maxLoadFactor: 1.25 }],
    [
      "{kind: maglev, maxLoadFactor: 0}",
      { kind: "maglev", maxLoadFactor: Number.POSITIVE_INFINITY },
    ],
  ] as const) {
    test(`takes ${text}`, () => {
      expect(compiled(text)).toEqual(config);
    });
  }

  for (const [text, complaint] of [
    ["{}", "p2c"],
    ["{kind: ring}", "ring"],
    ["{kind: heap, maxEffort: 5}", "maxEffort"],
    ["{kind: p2c, decayTimeMs: 5}", "decayTimeMs"],
    ["{kind: p2c, enableProbation: true}", "resolved no more"],
    ["{kind: p2c, maxEffort: 0}", "1 or more"],
    ["{kind: ewma, decayTimeMs: 0}", "1 or more"],
    ["{kind: aperture, minAperture: 0}", "1 or more"],
    ["{kind: aperture, lowLoad: -1}", "0 or more"],
    ["{kind: aperture, highLoad: 0}", "above 0"],
    ["{kind: aperture, lowLoad: 2}", "less than highLoad, which is 2"],
    ["{kind: aperture, smoothWindowMs: 0}", "1 or more"],
    ["{kind: maglev, maxLoadFactor: 1}", "1.01 or more, or 0 for no limit"],
  ] as const) {
    test(`refuses ${text}`, () => {
      expect(problems(text)).toContain(complaint);
    });
  }

  test("warns of warm connections that a client could not keep its endpoint with", () => {
    const more = ", minConnections: 2";
    expect(problems("{kind: maglev}", more)).toContain("minConnections has no effect for /svc/web");
    expect(problems("{kind: p2c}", more)).not.toContain("minConnections");
  });

  test("may differ by prefix", () => {
    const config = configFrom(`admin: {port: 0}
routers: [{label: a, interpreter: {kind: io.l5d.static,
      names: {/svc/a: [], /svc/b: []}}, servers: [{port: 1, dstName: /svc/a}, {port: 2, dstName: /svc/b}],
      client: {kind: io.l5d.static, configs: [{prefix: /svc, loadBalancer: {kind: ewma}},
      {prefix: /svc/b, loadBalancer: {kind: maglev}}]}}]`);
    const rules = config.routers[0]?.client ?? [];
    expect(
      ["/svc/a", "/svc/b", "/x"].map((path) => clientFor(rules, path).loadBalancer.kind),
    ).toEqual(["ewma", "maglev", "p2c"]);
  });
});
