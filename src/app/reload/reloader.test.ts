import { expect, test } from "bun:test";
import { configFrom, loadConfigText } from "../../../test/support/config-text.ts";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import type { LoadResult } from "../../config/load-result.ts";
import { Aggregate } from "../../telemetry/aggregate.ts";
import { silentLogger } from "../../telemetry/log.ts";
import { Registry } from "../../telemetry/registry.ts";
import type { Plan } from "./plan.ts";
import { Reloader, type ReloaderParts } from "./reloader.ts";
import { ReloadMetrics } from "./reload-metrics.ts";

const ONE = "routers: [{label: a, dtab: /svc => /$/inet, servers: [{port: 1, dstName: /svc/1/2}]}]";
const TWO = ONE.replace("port: 1", "port: 2");

/** A reloader of a file whose text the test sets. */
function setup(overrides: Partial<ReloaderParts> = {}) {
  const file = { text: ONE };
  const applied: Plan[] = [];
  const calls: string[] = [];
  const aggregate = new Aggregate();
  const reloader = new Reloader({
    started: { config: configFrom(ONE), source: ONE, fingerprint: "start" },
    origin: { path: "l5d.yml", load: () => Promise.resolve(loadConfigText(file.text)) },
    clock: new FakeClock(),
    log: silentLogger,
    metrics: new ReloadMetrics(new Registry(aggregate.source("test"))),
    obstacle: () => undefined,
    live: () => ({ server: () => ({ address: "", active: 0 }), destination: () => 0 }),
    apply: (plan) => {
      applied.push(plan);
      return Promise.resolve(undefined);
    },
    onReloadBegin: () => calls.push("begin"),
    onReloadEnd: () => calls.push("end"),
    ...overrides,
  });
  const counted = (result: string): number | undefined =>
    aggregate
      .collect()
      .find(({ definition }) => definition.name === "l5d_reloads_total")
      ?.series.find(({ labels }) => labels[0] === result)?.numbers[0];
  return { file, reloader, applied, calls, counted };
}

test("Reloader puts into effect what differs, and tells its hooks", async () => {
  const { file, reloader, applied, calls, counted } = setup();
  expect(await reloader.reload("test")).toMatchObject({ result: "unchanged" });
  expect([applied.length, reloader.inEffect.generation]).toEqual([0, 1]);
  file.text = TWO;
  expect(await reloader.reload("test")).toMatchObject({
    result: "applied",
    configuration: { generation: 2 },
  });
  expect(reloader.config.routers[0]?.servers[0]?.port).toBe(2);
  expect(calls).toEqual(["begin", "end", "begin", "end"]);
  expect([counted("applied"), counted("unchanged"), counted("failed")]).toEqual([1, 1, 0]);
});

test("Reloader keeps what is in effect when a plan cannot be carried out", async () => {
  const { file, reloader, calls, counted } = setup({
    apply: () => Promise.reject(new Error("no such address")),
  });
  file.text = TWO;
  expect(await reloader.reload("test")).toMatchObject({
    result: "failed",
    message: "no such address",
    configuration: { generation: 1, fingerprint: "start" },
  });
  expect(reloader.config.routers[0]?.servers[0]?.port).toBe(1);
  expect(calls).toEqual(["begin", "end"]);
  expect(counted("failed")).toBe(1);
});

test("Reloader tells what loading itself fails of", async () => {
  const load = (): Promise<LoadResult> => Promise.reject(new Error("no threads"));
  const { reloader } = setup({ origin: { path: "l5d.yml", load } });
  expect(await reloader.reload("test")).toMatchObject({ result: "failed", message: "no threads" });
});

test("Reloader refuses a second one at a time, but for those who do not wait, who get theirs later", async () => {
  const loads: PromiseWithResolvers<LoadResult>[] = [];
  const load = (): Promise<LoadResult> => {
    const next = Promise.withResolvers<LoadResult>();
    loads.push(next);
    return next.promise;
  };
  const { reloader, counted } = setup({ origin: { path: "l5d.yml", load } });
  const first = reloader.reload("test");
  expect(await reloader.reload("test")).toMatchObject({ result: "refused" });
  expect(await reloader.plan()).toMatchObject({ result: "refused" });
  reloader.request("SIGHUP");
  reloader.request("SIGHUP");
  expect(loads.length).toBe(1);
  loads[0]?.resolve(loadConfigText(TWO));
  await first;
  expect(loads.length).toBe(2);
  loads[1]?.resolve(loadConfigText(TWO));
  await Promise.resolve();
  expect(counted("refused")).toBe(1);
});

test("Reloader refuses where there is no file, and while the process may not change", async () => {
  expect(await setup({ origin: undefined }).reloader.reload("test")).toMatchObject({
    result: "refused",
    message: expect.stringContaining("no configuration file"),
  });
  const draining = setup({ obstacle: () => "the process is draining" });
  expect(await draining.reloader.reload("test")).toMatchObject({
    result: "refused",
    message: "the process is draining",
  });
  expect(draining.calls).toEqual([]);
});

test("Reloader does later what was asked for while something short stood in the way", async () => {
  let obstacle: string | undefined = "the process is starting";
  const { reloader, file, applied } = setup({
    obstacle: () => obstacle,
    isObstacleShort: () => obstacle !== undefined,
  });
  file.text = TWO;
  reloader.request("SIGHUP");
  reloader.request("SIGHUP");
  expect(await reloader.reload("test")).toMatchObject({ result: "refused" });
  expect(applied).toHaveLength(0);
  obstacle = undefined;
  reloader.resume();
  reloader.resume();
  expect(reloader.isBusy).toBe(true);
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  expect([applied.length, reloader.inEffect.generation]).toEqual([1, 2]);
});

test("Reloader lets a rotation come to its end before it reloads, and has none begin meanwhile", async () => {
  const { reloader, applied } = setup();
  const config = configFrom(ONE);
  const read = Promise.withResolvers<{ config: typeof config; fingerprint: string }>();
  const rotation = reloader.rotate(() => read.promise);
  expect(await reloader.rotate(() => Promise.resolve(undefined))).toBe(false);
  const reload = reloader.reload("test");
  await Promise.resolve();
  expect(reloader.inEffect.last).toBeUndefined();
  read.resolve({ config, fingerprint: "rotated" });
  expect(await rotation).toBe(true);
  expect(reloader.inEffect).toMatchObject({ fingerprint: "rotated", generation: 1 });
  expect(await reload).toMatchObject({ result: "unchanged" });
  expect(applied).toEqual([]);
});

test("Reloader rotates nothing while the process may not change", async () => {
  const { reloader } = setup({ obstacle: () => "the process is draining" });
  expect(await reloader.rotate(() => Promise.reject(new Error("not asked")))).toBe(false);
});

test("Reloader plans without changing anything", async () => {
  const { file, reloader, applied, calls } = setup();
  file.text = TWO;
  const answer = await reloader.plan();
  expect(answer).toMatchObject({ result: "planned", configuration: { generation: 1 } });
  expect(answer.summary).toHaveLength(2);
  expect([applied, calls]).toEqual([[], []]);
  file.text = "routers: 1";
  expect(await reloader.plan()).toMatchObject({ result: "invalid" });
});
