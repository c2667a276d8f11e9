import { expect, test } from "bun:test";
import { FakeClock } from "../../../test/support/fake-clock.ts";
import type { CertificateFacts } from "../../config/material.ts";
import { Aggregate } from "../../telemetry/aggregate.ts";
import type { Logger } from "../../telemetry/log.ts";
import { Registry } from "../../telemetry/registry.ts";
import { Expiry } from "./expiry.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function setup() {
  const clock = new FakeClock();
  const aggregate = new Aggregate();
  const lines: string[] = [];
  const logAs =
    (level: string): Logger["warn"] =>
    (message, fields) =>
      void lines.push(`${level} ${message} ${fields?.()["file"]} ${fields?.()["hoursLeft"]}`);
  const log = { warn: logAs("warn"), error: logAs("error") } as Logger;
  const expiry = new Expiry({ clock, log, registry: new Registry(aggregate.source("test")) });
  /** Valid for `days` more, of a life of `ofDays`. */
  const facts = (
    file: string,
    days: number,
    ofDays = 365,
    role: CertificateFacts["role"] = "server",
  ): CertificateFacts => {
    const notAfterMs = clock.wallTime() + days * DAY_MS;
    return { file, role, name: "n", notBeforeMs: notAfterMs - ofDays * DAY_MS, notAfterMs };
  };
  const series = () =>
    aggregate
      .collect()
      .flatMap((family) => family.series.map(({ labels, numbers }) => [labels[0], numbers[0]]));
  return { clock, expiry, lines, facts, series };
}

test("Expiry has a metric for each certificate in use, and none for others", () => {
  const { clock, expiry, facts, series } = setup();
  const now = Math.floor(clock.wallTime() / 1000);
  expiry.use([facts("a", 100), facts("b", 50), facts("b", 40), facts("a", 200, 365, "trust")]);
  expect(series()).toEqual([
    ["b", now + 40 * 86_400],
    ["a", now + 100 * 86_400],
    ["a", now + 200 * 86_400],
  ]);
  expiry.use([facts("a", 300)]);
  expect(series()).toEqual([["a", now + 300 * 86_400]]);
});

test("Expiry warns once a day from 30 days before on, and says when it is over", () => {
  const { clock, expiry, lines, facts } = setup();
  expiry.use([facts("a", 32)]);
  clock.advance(DAY_MS);
  expect(lines).toEqual([]);
  clock.advance(3 * DAY_MS);
  expect(lines).toEqual([
    "warn a certificate expires soon a 720",
    "warn a certificate expires soon a 696",
    "warn a certificate expires soon a 672",
  ]);
  lines.length = 0;
  clock.advance(28 * DAY_MS);
  expect(lines).toHaveLength(28);
  expect(lines.at(-1)).toBe("error a certificate has expired a 0");
});

test("Expiry warns of short lives in their last third, and of nothing that was renewed", () => {
  const { clock, expiry, lines, facts } = setup();
  expiry.use([facts("a", 0.9, 1)]);
  clock.advance(12 * HOUR_MS);
  expect(lines).toEqual([]);
  expiry.use([facts("a", 0.9, 1)]);
  clock.advance(12 * HOUR_MS);
  expect(lines).toEqual([]);
  clock.advance(5 * HOUR_MS);
  expect(lines).toEqual(["warn a certificate expires soon a 7"]);
  expiry.use([]);
  clock.advance(10 * DAY_MS);
  expect([lines.length, clock.pending]).toEqual([1, 0]);
});

test("Expiry says nothing of authorities that are over: bundles hold such", () => {
  const { clock, expiry, lines, facts } = setup();
  expiry.use([facts("bundle", -5, 365, "trust"), facts("bundle2", 10, 365, "trust")]);
  clock.advance(HOUR_MS);
  expect(lines).toEqual(["warn a certificate expires soon bundle2 240"]);
});

test("Expiry calls a list of revoked certificates what it is", () => {
  const { clock, expiry, lines, facts } = setup();
  expiry.use([facts("a.crl", 1, 30, "crl")]);
  clock.advance(DAY_MS);
  expect(lines).toEqual([
    "warn a list of revoked certificates expires soon a.crl 24",
    "error a list of revoked certificates has expired a.crl 0",
  ]);
});
