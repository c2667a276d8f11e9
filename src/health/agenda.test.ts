import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { Agenda } from "./agenda.ts";

/** How late a job may run. */
const GRAIN_MS = 5;

describe("Agenda", () => {
  test("runs every job once, in time, in the order of the times, with one timer", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { maxLength: 200 }), (delays) => {
        const clock = new FakeClock();
        const startMs = clock.now();
        const ran: { readonly job: number; readonly late: number }[] = [];
        const agenda = new Agenda<number>(clock, (job) =>
          ran.push({ job, late: clock.now() - startMs - job }),
        );
        for (const delay of delays) {
          agenda.add(startMs + delay, delay);
          expect(clock.pending).toBe(1);
        }
        clock.advance(1_000 + 2 * GRAIN_MS);
        expect(ran.map(({ job }) => job)).toEqual(delays.toSorted((a, b) => a - b));
        expect(ran.every(({ late }) => late >= 0 && late <= 2 * GRAIN_MS)).toBe(true);
        expect([clock.pending, agenda.size]).toEqual([0, 0]);
      }),
    );
  });

  test("takes jobs while it runs some, also ones that are due already", () => {
    const clock = new FakeClock();
    const ran: string[] = [];
    const agenda = new Agenda<string>(clock, (job) => {
      ran.push(job);
      if (job === "first") agenda.add(clock.now() - 10, "late");
    });
    agenda.add(clock.now(), "first");
    clock.advance(3 * GRAIN_MS);
    expect(ran).toEqual(["first", "late"]);
  });

  test("runs an earlier job that is added later in its time", () => {
    const clock = new FakeClock();
    const ran: string[] = [];
    const agenda = new Agenda<string>(clock, (job) => ran.push(job));
    agenda.add(clock.now() + 60_000, "last");
    agenda.add(clock.now() + 10, "first");
    clock.advance(20);
    expect(ran).toEqual(["first"]);
  });

  test("forgets everything when it is cleared", () => {
    const clock = new FakeClock();
    const agenda = new Agenda<string>(clock, () => expect.unreachable());
    agenda.add(clock.now(), "a");
    agenda.clear();
    clock.advance(100);
    expect([clock.pending, agenda.size]).toEqual([0, 0]);
  });
});
