import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { afterFailures } from "../../test/support/accrual-config.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { AccrualConfig } from "../config/accrual-types.ts";
import { seededRng } from "../lib/rng.ts";
import { EndpointRow, newEndpointPage } from "../telemetry/endpoint-table.ts";
import { silentLogger } from "../telemetry/log.ts";
import { Gauge } from "../telemetry/metrics.ts";
import { Registry } from "../telemetry/registry.ts";
import { connectTarget } from "../transport/connector.ts";
import { EjectionMetrics, EjectionReport } from "./ejection-report.ts";
import { Ejector } from "./ejector.ts";
import { Endpoint } from "./endpoint.ts";
import { createPickers } from "./pickers.ts";
import { Pool } from "./pool.ts";
import { SlowStart } from "./slow-start.ts";

const HALF = { maxEjectedPercent: 50 };
const UP = { weight: 1, healthy: true, enabled: true };

/** A pool of `size` endpoints, numbered from 0, on worker 0 of two. */
function setup(size: number, config: AccrualConfig = afterFailures(3), windowMs = 0) {
  const clock = new FakeClock();
  const rng = seededRng(1);
  const pool = new Pool(rng, createPickers({ kind: "p2c" }, { clock, rng, place: () => 0 }));
  pool.setBranches([{ branch: 0, weight: 1 }]);
  const page = new Float64Array(newEndpointPage(2));
  const rowOf = (id: number, worker: number) => new EndpointRow(page, id, worker, 2);
  const endpoints = Array.from({ length: size }, (_, id) => {
    const target = connectTarget("127.0.0.1", 1000 + id);
    return new Endpoint({ id, branch: 0, target, weight: 1, row: rowOf(id, 0) });
  });
  for (const endpoint of endpoints) pool.add(endpoint);
  const metrics = new EjectionMetrics(new Registry(() => {}), "rt", "/svc/web");
  const probes: (readonly [number, boolean])[] = [];
  const gauge = new Gauge(new Float64Array(1), 0);
  const ejector = new Ejector({
    config,
    pool,
    slowStart: new SlowStart({
      config: { windowMs, minShare: 0.1 },
      clock,
      gauge,
      onWeight: (endpoint) => pool.reweigh(endpoint),
    }),
    clock,
    rng,
    report: new EjectionReport({
      metrics,
      log: silentLogger,
      onChange: () => {},
    }),
    probe: ({ id }, watch) => probes.push([id, watch]),
  });
  const at = (id: number): Endpoint => {
    const endpoint = endpoints[id];
    if (endpoint === undefined) throw new Error("there is none");
    return endpoint;
  };
  const fail = (id: number, times = 1, reason: "refused" | "early_reset" = "refused") => {
    for (let time = 0; time < times; time += 1) ejector.failed(at(id), reason);
  };
  /** A session that connects and is reset. */
  const reset = (id: number, times = 1) => {
    for (let time = 0; time < times; time += 1) {
      ejector.connected(at(id));
      fail(id, 1, "early_reset");
    }
  };
  const states = () => endpoints.map(({ state }) => state).join(" ");
  const out = () => endpoints.filter(({ state }) => state === "ejected").length;
  return { clock, pool, ejector, at, fail, reset, states, out, probes, metrics, rowOf, gauge };
}

describe("An endpoint that cannot be connected to", () => {
  test("is ejected, probed after each penalty, and readmitted by the probe that succeeds", () => {
    const { clock, ejector, at, fail, probes, metrics } = setup(2);
    fail(0, 2);
    ejector.connected(at(0));
    fail(0, 2);
    expect(at(0).state).toBe("ready");
    fail(0);
    expect([at(0).state, metrics.ejections.refused.value]).toEqual(["ejected", 1]);
    clock.advance(999);
    expect(probes).toEqual([]);
    clock.advance(1);
    expect(probes).toEqual([[0, false]]);
    ejector.probeFailed(at(0), "timeout");
    clock.advance(1_000);
    expect(probes).toHaveLength(2);
    ejector.connected(at(0));
    expect([at(0).state, at(0).accrual, clock.pending]).toEqual(["ready", undefined, 0]);
    expect(metrics.readmissions.value).toBe(1);
  });

  test("waits longer the more probes fail, and as in the beginning after a success", () => {
    const backoff = { kind: "equalJittered", minMs: 1_000, maxMs: 8_000 } as const;
    const { clock, ejector, at, fail, probes } = setup(2, afterFailures(1, 0, { backoff }));
    const waited = () => {
      const before = probes.length;
      let ms = 0;
      while (probes.length === before) {
        clock.advance(10);
        ms += 10;
      }
      return ms;
    };
    fail(0);
    const waits = [waited()];
    for (let round = 0; round < 5; round += 1) {
      ejector.probeFailed(at(0), "refused");
      waits.push(waited());
    }
    expect(waits[0]).toBe(1_000);
    expect(waits[1]).toBeWithin(1_000, 2_011);
    expect(waits[3]).toBeWithin(4_000, 8_011);
    expect(waits[5]).toBe(8_000);
    ejector.connected(at(0));
    fail(0);
    expect(waited()).toBe(1_000);
  });

  test("is probed again after the same time when this process had no descriptor for the probe", () => {
    const { clock, ejector, at, fail, probes } = setup(2, afterFailures(1));
    fail(0);
    clock.advance(1_000);
    ejector.probeFailed(at(0), undefined);
    clock.advance(1_000);
    expect([probes.length, at(0).accrual?.ejection?.round]).toEqual([2, 0]);
  });

  test("is ejected by its first failure here once another worker has ejected it", () => {
    const { at, fail, rowOf } = setup(2);
    rowOf(0, 1).setEjection({ kind: "ejected", reason: "refused", probeAtMs: 1 });
    expect(at(0).state).toBe("ready");
    fail(0);
    expect(at(0).state).toBe("ejected");
    rowOf(1, 1).setEjection({ kind: "dry_run", reason: "refused", probeAtMs: 1 });
    fail(1);
    expect(at(1).state).toBe("ready");
  });

  test("has its reason, and the time of its probe, in the table for the admin port", () => {
    const { clock, ejector, at, fail } = setup(2, afterFailures(1, 5_000));
    fail(0);
    expect(at(0).row.ejection).toEqual({
      kind: "ejected",
      reason: "refused",
      probeAtMs: clock.wallTime() + 5_000,
    });
    clock.advance(5_000);
    ejector.probeFailed(at(0), "tls");
    expect(at(0).row.ejection).toMatchObject({
      reason: "tls",
      probeAtMs: clock.wallTime() + 5_000,
    });
    ejector.connected(at(0));
    expect(at(0).row.ejection).toBeUndefined();
  });

  test("is forgotten with its penalty when it is retired, and comes back as one that is ready", () => {
    const { clock, pool, ejector, at, fail, probes } = setup(3, afterFailures(1));
    fail(0);
    ejector.retired(at(0));
    pool.retire(at(0));
    clock.advance(10_000);
    expect([probes.length, at(0).row.ejected, clock.pending]).toEqual([0, 0, 0]);
    pool.add(at(0));
    expect(at(0).state).toBe("ready");
  });
});

describe("An endpoint that connects and resets", () => {
  test("is ejected, though every session before the reset has connected", () => {
    const { at, reset, metrics } = setup(2);
    reset(0, 2);
    expect(at(0).state).toBe("ready");
    reset(0);
    expect([at(0).state, metrics.ejections.early_reset.value]).toEqual(["ejected", 1]);
  });

  test("is forgiven by an answer, not by a connection that was made or that ended silently", () => {
    const { ejector, at, reset } = setup(2);
    reset(0, 2);
    ejector.connected(at(0));
    ejector.endedSilently(at(0));
    ejector.answered(at(0));
    expect(at(0).accrual).toBeUndefined();
    reset(0, 2);
    expect(at(0).state).toBe("ready");
    ejector.endedSilently(at(0));
    reset(0);
    expect(at(0).state).toBe("ejected");
  });

  test("is watched by its probe; then one more reset ejects it, for the next penalty", () => {
    const backoff = { kind: "jittered", minMs: 1_000, maxMs: 60_000 } as const;
    const { clock, ejector, at, reset, probes } = setup(2, afterFailures(3, 0, { backoff }));
    reset(0, 3);
    clock.advance(1_000);
    expect(probes).toEqual([[0, true]]);
    // The probe's connection stands: that alone readmits nothing, being left alone does.
    ejector.connected(at(0));
    expect(at(0).state).toBe("ejected");
    ejector.probeSucceeded(at(0));
    expect([at(0).state, at(0).row.ejection]).toEqual(["ready", undefined]);
    reset(0);
    expect(at(0).state).toBe("ejected");
    expect(at(0).accrual?.ejection?.round).toBe(1);
    expect(at(0).accrual?.ejection?.penaltyMs).toBeWithin(1_000, 3_001);
  });

  test("begins anew after an answer", () => {
    const { clock, ejector, at, reset } = setup(2);
    reset(0, 3);
    clock.advance(1_000);
    ejector.probeSucceeded(at(0));
    ejector.answered(at(0));
    expect(at(0).accrual).toBeUndefined();
    reset(0, 2);
    expect(at(0).state).toBe("ready");
  });

  test("returns at once when a client who had no other gets an answer", () => {
    const { ejector, at, reset } = setup(2);
    reset(0, 3);
    ejector.answered(at(0));
    expect(at(0).state).toBe("ready");
  });
});

describe("Rates", () => {
  const rule = { kind: "successRate", successRate: 0.5, requests: 10 } as const;

  test("of connects and of answers are kept apart", () => {
    const { ejector, at, reset } = setup(2, { ...afterFailures(1), rule });
    // Every connect is a success, every session is reset: the rate of both together would be a half.
    reset(0, 10);
    expect(at(0).state).toBe("ejected");
    for (let time = 0; time < 20; time += 1) {
      ejector.connected(at(1));
      ejector.answered(at(1));
    }
    ejector.failed(at(1), "early_reset");
    expect(at(1).state).toBe("ready");
  });

  test("take an orderly end without a word for a success: there are protocols in which endpoints only listen", () => {
    const { ejector, at, fail } = setup(2, { ...afterFailures(1), rule });
    for (let time = 0; time < 10; time += 1) {
      ejector.connected(at(0));
      ejector.endedSilently(at(0));
    }
    fail(0, 3, "early_reset");
    expect(at(0).state).toBe("ready");
  });

  test("of a window that has gone by do not spare an endpoint that is on trial", () => {
    const windowed = { kind: "successRateWindowed", successRate: 0.5, windowMs: 10_000 } as const;
    const config = { ...afterFailures(1, 60_000), rule: windowed };
    const { clock, ejector, at, reset } = setup(2, config);
    for (let second = 0; second < 11; second += 1) {
      reset(0);
      clock.advance(1_000);
    }
    expect(at(0).state).toBe("ejected");
    clock.advance(60_000);
    ejector.probeSucceeded(at(0));
    expect(at(0).state).toBe("ready");
    reset(0);
    expect(at(0).state).toBe("ejected");
  });

  test("begin anew when an endpoint is readmitted", () => {
    const { clock, ejector, at, fail } = setup(2, { ...afterFailures(1), rule });
    fail(0, 10);
    expect(at(0).state).toBe("ejected");
    clock.advance(1_000);
    ejector.connected(at(0));
    fail(0, 5);
    expect(at(0).state).toBe("ready");
  });
});

describe("None", () => {
  test("ejects nothing and remembers nothing", () => {
    const { ejector, at, fail, states } = setup(2, { ...afterFailures(1), rule: { kind: "none" } });
    fail(0, 100);
    ejector.connected(at(0));
    expect([states(), at(0).accrual, ejector.wantsAnswers(at(0))]).toEqual([
      "ready ready",
      undefined,
      false,
    ]);
  });
});

describe("The share", () => {
  test("of those that are out stays at its maximum, and is used again as soon as one is back", () => {
    const { ejector, at, fail, states, metrics } = setup(4, afterFailures(1, 1_000, HALF));
    for (const id of [0, 1, 2]) fail(id);
    expect(states()).toBe("ejected ejected ready ready");
    expect(metrics.withheld.share.value).toBe(1);
    ejector.connected(at(0));
    fail(2);
    expect(states()).toBe("ready ejected ejected ready");
  });

  test("never includes the last one, whatever the maximum", () => {
    const { fail, states, metrics } = setup(2, afterFailures(1));
    for (const id of [0, 1, 1]) fail(id);
    expect(states()).toBe("ejected ready");
    expect(metrics.withheld.last.value).toBe(2);
  });

  test("includes the last one from its next failure on, once another is back", () => {
    const { ejector, at, fail, states } = setup(2, afterFailures(2));
    fail(0, 2);
    fail(1, 2);
    expect(states()).toBe("ejected ready");
    ejector.probeSucceeded(at(0));
    fail(1);
    expect(states()).toBe("ready ejected");
  });

  test("leaves a note of those that fail and stay, until they succeed", () => {
    const { ejector, at, fail } = setup(1, afterFailures(2));
    fail(0);
    expect(at(0).row.ejection).toBeUndefined();
    fail(0);
    expect(at(0).row.ejection).toMatchObject({ kind: "withheld", reason: "refused" });
    expect(at(0).row.ejected).toBe(0);
    ejector.answered(at(0));
    expect(at(0).row.ejection).toBeDefined();
    ejector.connected(at(0));
    expect([at(0).row.ejection, at(0).accrual]).toEqual([undefined, undefined]);
  });

  test("never includes the last one that is healthy, enabled and has weight", () => {
    const { pool, fail, states } = setup(5, afterFailures(1));
    const change = (id: number, condition: Partial<typeof UP>) => {
      const endpoint = pool.find(id);
      if (endpoint !== undefined) pool.change(endpoint, { ...UP, ...condition });
    };
    change(1, { healthy: false });
    change(2, { enabled: false });
    change(3, { weight: 0 });
    fail(4);
    fail(0);
    expect(states()).toBe("ready ready ready ready ejected");
  });

  test("shrinks when endpoints go: the one that is out the longest is back first", () => {
    const { pool, ejector, at, fail, states } = setup(4, afterFailures(1, 1_000, HALF));
    fail(1);
    fail(0);
    for (const id of [2, 3]) {
      ejector.retired(at(id));
      pool.retire(at(id));
      ejector.keepToShare();
    }
    expect(states()).toBe("ejected ready retired retired");
  });

  test("of nothing, one, two, three and ten endpoints at the default is 0, 0, 1, 1 and 5", () => {
    const most = [0, 1, 2, 3, 10].map((size) => {
      const { fail, out } = setup(size, afterFailures(1, 1_000, HALF));
      for (let id = 0; id < size; id += 1) fail(id);
      return out();
    });
    expect(most).toEqual([0, 0, 1, 1, 5]);
  });

  test("is kept, and one endpoint left, whatever happens", () => {
    const step = fc.record({
      id: fc.integer({ min: 0, max: 7 }),
      what: fc.constantFrom(
        "fail",
        "reset",
        "connect",
        "answer",
        "probe",
        "bad probe",
        "time",
        "go",
      ),
    });
    const percent = fc.constantFrom(0, 10, 25, 50, 99, 100);
    fc.assert(
      fc.property(percent, fc.array(step, { maxLength: 80 }), (maxEjectedPercent, steps) => {
        const { clock, pool, ejector, at, fail, reset, out } = setup(
          8,
          afterFailures(1, 100, { maxEjectedPercent }),
        );
        for (const { id, what } of steps) {
          const endpoint = at(id);
          const had = pool.size - out();
          if (what === "fail") fail(id);
          else if (what === "reset") reset(id);
          else if (what === "connect") ejector.connected(endpoint);
          else if (what === "answer") ejector.answered(endpoint);
          else if (what === "probe") ejector.probeSucceeded(endpoint);
          else if (what === "bad probe") ejector.probeFailed(endpoint, "other");
          else if (what === "time") clock.advance(150);
          else if (endpoint.state !== "retired") {
            ejector.retired(endpoint);
            pool.retire(endpoint);
            ejector.keepToShare();
          }
          expect(out()).toBeLessThanOrEqual(Math.floor((pool.size * maxEjectedPercent) / 100));
          // Only the going of others may take the last one away.
          if (what !== "go" && had > 0) expect(pool.size - out()).toBeGreaterThan(0);
        }
      }),
    );
  });
});

describe("A dry run", () => {
  const dry = (more: Partial<AccrualConfig> = {}) =>
    setup(4, afterFailures(2, 1_000, { dryRun: true, ...HALF, ...more }));

  test("ejects nothing, probes nothing, and says what it would have ejected and why", () => {
    const { clock, fail, at, states, probes, metrics } = dry();
    fail(0, 5);
    expect(states()).toBe("ready ready ready ready");
    expect([metrics.dryRuns.refused.value, metrics.ejections.refused.value]).toEqual([1, 0]);
    expect(at(0).row.ejection).toMatchObject({ kind: "dry_run", reason: "refused" });
    expect([at(0).row.ejected, at(0).row.noted("dry_run")]).toEqual([0, 1]);
    clock.advance(10_000);
    expect([probes.length, clock.pending]).toEqual([0, 0]);
  });

  test("says so again when the endpoint fails after the penalty, and no more once it succeeds", () => {
    const { clock, ejector, fail, at, metrics } = dry();
    fail(0, 5);
    clock.advance(1_000);
    fail(0);
    expect(metrics.dryRuns.refused.value).toBe(2);
    ejector.connected(at(0));
    expect([at(0).row.ejection, at(0).accrual]).toEqual([undefined, undefined]);
    expect(metrics.readmissions.value).toBe(0);
  });

  test("keeps to the same share, and to the last one", () => {
    const { fail, metrics } = dry();
    for (const id of [0, 1, 2, 3]) fail(id, 2);
    expect([metrics.dryRuns.refused.value, metrics.withheld.share.value]).toEqual([2, 2]);
    const all = dry({ maxEjectedPercent: 100 });
    for (const id of [0, 1, 2, 3]) all.fail(id, 2);
    expect([all.metrics.dryRuns.refused.value, all.metrics.withheld.last.value]).toEqual([3, 1]);
  });
});

describe("Slow start", () => {
  test("begins with readmission, also on trial, and ends with ejection", () => {
    const { clock, ejector, at, fail, reset, gauge } = setup(2, afterFailures(1), 10_000);
    fail(0);
    ejector.connected(at(0));
    expect([at(0).weight, gauge.value]).toEqual([0.1, 1]);
    clock.advance(5_000);
    reset(0);
    expect([at(0).state, at(0).weight, gauge.value]).toEqual(["ejected", 1, 0]);
    ejector.probeSucceeded(at(0));
    expect([at(0).state, at(0).weight, gauge.value]).toEqual(["ready", 0.1, 1]);
    ejector.retired(at(0));
    expect(gauge.value).toBe(0);
  });
});
