import { beforeEach, describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import type { LogFields } from "../telemetry/log.ts";
import { silentLogger } from "../telemetry/log.ts";
import { NameWarnings } from "./name-warnings.ts";

let clock: FakeClock;
let lines: LogFields[];
let warnings: NameWarnings;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  const log = {
    ...silentLogger,
    warn: (message: string, fields?: () => LogFields) => {
      expect(message).toBe("lost");
      lines.push(fields?.() ?? {});
    },
  };
  warnings = new NameWarnings(clock, log, "lost");
});

const add = (count: number): void => {
  for (let n = 0; n < count; n++) warnings.add({ name: `/n${n}`, before: 2 });
};
/** How many names all lines tell of. */
const told = (): number => lines.reduce((sum, { names }) => sum + Number(names ?? 1), 0);

describe("NameWarnings", () => {
  test("tells of few names one by one, at once", () => {
    add(3);
    expect(lines).toEqual([0, 1, 2].map((n) => ({ name: `/n${n}`, before: 2 })));
    expect(clock.pending).toBe(0);
  });

  test("tells of the rest of many in one line, with the first and their number", () => {
    add(10_000);
    expect(lines.length).toBe(10);
    clock.advance(1_000);
    expect(lines.length).toBe(11);
    expect(lines.at(-1)).toEqual({ name: "/n10", before: 2, names: 9_990 });
    expect(clock.pending).toBe(0);
  });

  test("writes one line a second while names come without a pause, and forgets none", () => {
    for (let ms = 0; ms < 60_000; ms += 10) {
      add(1);
      clock.advance(10);
    }
    clock.advance(1_000);
    expect(lines.length).toBeWithin(60, 72);
    expect(told()).toBe(6_000);
    clock.advance(20_000);
    lines = [];
    add(3);
    expect(lines.length).toBe(3);
  });

  test("writes what waits when it is told to, once", () => {
    add(15);
    warnings.flush();
    expect(told()).toBe(15);
    warnings.flush();
    clock.advance(10_000);
    expect([lines.length, clock.pending]).toEqual([11, 0]);
  });
});
