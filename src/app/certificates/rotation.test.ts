import { expect, test } from "bun:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import type { LoadedMaterial } from "../../config/load-result.ts";
import type { ReadAgain } from "../../config/read-again.ts";
import type { RefusedUnit } from "../../config/material.ts";
import type { Config } from "../../config/types.ts";
import { Aggregate } from "../../telemetry/aggregate.ts";
import type { Logger } from "../../telemetry/log.ts";
import { Registry } from "../../telemetry/registry.ts";
import { Rotation, type RotationParts } from "./rotation.ts";

const CERTIFICATE = {
  file: "web.pem",
  role: "server",
  name: "web",
  notBeforeMs: 0,
  notAfterMs: 1_800_000_000_000,
} as const;

function setup(overrides: Partial<RotationParts> = {}) {
  const clock = new FakeClock();
  const aggregate = new Aggregate();
  const disk = { stamp: "1" };
  const stampOf = (path: string) => ({ path, stamp: disk.stamp });
  const materialNow = (): LoadedMaterial => ({
    files: [stampOf("/web.pem")],
    certificates: [CERTIFICATE],
    again: new Uint8Array(0),
  });
  /** What the next readings answer; none left: that nothing has changed. */
  const answers: (Partial<Extract<ReadAgain, { ok: true }>> | Error)[] = [];
  const lines: string[] = [];
  const logAs =
    (level: string): Logger["info"] =>
    (message, fields) =>
      void lines.push(`${level}: ${message}: ${fields?.()["unit"]}`);
  const log = { info: logAs("info"), warn: logAs("warn"), error: logAs("error") } as Logger;
  let reads = 0;
  const put: string[] = [];
  const rotation = new Rotation({
    clock,
    log,
    registry: new Registry(aggregate.source("test")),
    readAgain: () => {
      reads += 1;
      const answer = answers.shift();
      if (answer instanceof Error) return Promise.reject(answer);
      return Promise.resolve({
        ok: true,
        config: {} as Config,
        fingerprint: "f",
        material: materialNow(),
        changed: [],
        refused: [],
        warnings: [],
        ...answer,
      });
    },
    rotate: async (read) => {
      const rotated = await read();
      if (rotated !== undefined) put.push(rotated.fingerprint);
      return true;
    },
    onUse() {},
    stampOf,
    ...overrides,
  });
  const begin = (): void => rotation.use(materialNow(), true);
  /** Lets time pass, and what hangs on it come to its end. */
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  const value = (name: string): number | undefined =>
    aggregate.collect().find(({ definition }) => definition.name === name)?.series[0]?.numbers[0];
  return { clock, rotation, begin, disk, answers, lines, put, pass, value, reads: () => reads };
}

const refusal = (problem: string, goodFromMs?: number): RefusedUnit => ({
  unit: "u",
  problems: [problem],
  goodFromMs,
  isKept: true,
});

test("Rotation puts a change into effect once two looks agree, within a second", async () => {
  const { begin, disk, answers, lines, put, pass, value, reads } = setup();
  begin();
  await pass(5_000);
  expect(reads()).toBe(0);
  disk.stamp = "2";
  answers.push({ changed: [{ unit: "u", change: "changed", certificates: [CERTIFICATE] }] });
  await pass(800);
  expect(put).toEqual(["f"]);
  expect(lines).toEqual(["info: a certificate file has changed: new connections follow: u"]);
  expect(value("l5d_tls_rotation_success_total")).toBe(1);
  await pass(60_000);
  expect(reads()).toBe(1);
});

test("Rotation tells of a refusal once, counts it, and says when it is over", async () => {
  const { begin, disk, answers, lines, put, pass, value } = setup();
  begin();
  for (const problem of ["bad", "bad", "worse"]) {
    disk.stamp += "x";
    answers.push({ refused: [refusal(problem)] });
    await pass(1_000);
  }
  const told = "error: a changed certificate is refused: the one before stays in use: u";
  expect(lines).toEqual([told, told]);
  expect([value("l5d_tls_rotation_failure_total"), value("l5d_tls_rotation_refused")]).toEqual([
    2, 1,
  ]);
  disk.stamp = "1";
  await pass(1_000);
  expect(lines.at(-1)).toBe("info: its files can be used again: u");
  expect(value("l5d_tls_rotation_refused")).toBe(0);
  expect(put).toEqual([]);
});

test("Rotation reads again when a certificate that came too early has become valid", async () => {
  const { clock, begin, disk, answers, pass, reads } = setup();
  begin();
  disk.stamp = "2";
  answers.push({ refused: [refusal("early", clock.wallTime() + 600_000)] });
  await pass(1_000);
  await pass(500_000);
  expect(reads()).toBe(1);
  await pass(100_000);
  expect(reads()).toBe(2);
});

test("Rotation tries again where the files could not be read at all", async () => {
  const { begin, disk, answers, lines, pass, value, reads } = setup();
  begin();
  disk.stamp = "2";
  answers.push(new Error("no threads"));
  await pass(1_000);
  expect(lines).toHaveLength(1);
  expect(value("l5d_tls_rotation_failure_total")).toBe(1);
  await pass(10_000);
  expect(reads()).toBe(2);
});

test("Rotation waits while something else changes what is in effect", async () => {
  let isFree = false;
  const { begin, disk, pass, reads } = setup({
    rotate: async (read) => {
      if (isFree) await read();
      return isFree;
    },
  });
  begin();
  disk.stamp = "2";
  await pass(5_000);
  expect(reads()).toBe(0);
  isFree = true;
  await pass(1_000);
  expect(reads()).toBe(1);
});

test("Rotation leaves files alone when it is told so, and leaves no timers behind", async () => {
  const { clock, rotation, begin, disk, pass, reads } = setup();
  begin();
  rotation.use({ files: [], certificates: [], again: new Uint8Array(0) }, false);
  disk.stamp = "2";
  await pass(10_000);
  expect([reads(), clock.pending]).toEqual([0, 0]);
  begin();
  rotation.stop();
  expect(clock.pending).toBe(0);
});
