import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { Pace } from "./pace.ts";

describe("Pace", () => {
  let clock: FakeClock;
  let pace: Pace;
  let ran: number[];
  const offer = (value: number): void => pace.offer(() => ran.push(value));

  beforeEach(() => {
    clock = new FakeClock();
    pace = new Pace(clock);
    ran = [];
  });

  test("runs what comes seldom at once", () => {
    for (let n = 0; n < 100; n++) {
      offer(n);
      expect(ran).toEqual(Array.from({ length: n + 1 }, (_, index) => index));
      clock.advance(50);
    }
    expect(clock.pending).toBe(0);
  });

  test("runs 20 at once, and of what follows only the latest, as soon as it is its turn", () => {
    for (let n = 1; n <= 1_000; n++) offer(n);
    expect(ran.length).toBe(20);
    clock.advance(49);
    expect(ran.length).toBe(20);
    clock.advance(1);
    expect(ran.slice(20)).toEqual([1_000]);
    clock.advance(60_000);
    expect(ran.length).toBe(21);
    expect(clock.pending).toBe(0);
  });

  test("runs 20 in a second when it never gets quiet", () => {
    for (let ms = 0; ms < 10_000; ms++) {
      offer(ms);
      clock.advance(1);
    }
    expect(ran.length).toBeWithin(215, 222);
  });

  test("leaves others nine tenths of the time when running takes long", () => {
    let busyMs = 0;
    for (const endMs = clock.now() + 60_000; clock.now() < endMs;) {
      pace.offer(() => {
        clock.advance(100);
        busyMs += 100;
      });
      clock.advance(1);
    }
    expect(busyMs).toBeWithin(5_000, 6_500);
  });

  test("runs what waits when it is flushed, and nothing after it was dropped", () => {
    for (let n = 1; n <= 25; n++) offer(n);
    pace.flush();
    expect(ran.at(-1)).toBe(25);
    pace.flush();
    expect(ran.length).toBe(21);
    for (let n = 26; n <= 50; n++) offer(n);
    pace.drop();
    expect(clock.pending).toBe(0);
    clock.advance(60_000);
    expect(ran.at(-1)).toBe(25);
  });

  test("always runs the last in the end, and never one twice or out of order", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 120 }), { minLength: 1 }), (waitsMs) => {
        clock = new FakeClock();
        pace = new Pace(clock);
        ran = [];
        for (const [n, waitMs] of waitsMs.entries()) {
          offer(n);
          clock.advance(waitMs);
        }
        clock.advance(1_000);
        expect(ran.at(-1)).toBe(waitsMs.length - 1);
        expect(ran.every((n, index) => index === 0 || n > (ran[index - 1] ?? n))).toBe(true);
      }),
    );
  });
});
