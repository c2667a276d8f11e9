import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { seededRng } from "../lib/rng.ts";
import type { CloseReason } from "./close-reason.ts";
import { Drain, type DrainPlan, type Leaver } from "./drain.ts";

const ENDLESS = Number.POSITIVE_INFINITY;

/** A session that ends as soon as it is told to, unless its peers stall. */
class FakeSession implements Leaver {
  closed = false;
  connecting = false;
  holding = false;
  stalls = false;
  /** When a byte last moved. */
  movedMs = Number.NEGATIVE_INFINITY;
  endedMs: number | undefined;
  reason: CloseReason | undefined;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  lastMovedMs(): number {
    return this.movedMs;
  }

  end(reason: CloseReason, lingers: boolean): void {
    expect(lingers).toBe(false);
    this.endedMs = this.#clock.now();
    this.reason = reason;
    this.closed = !this.stalls;
  }

  destroy(reason: CloseReason): void {
    this.endedMs = this.#clock.now();
    this.reason = reason;
    this.closed = true;
  }
}

function setup(count: number, plan: Partial<DrainPlan> | undefined) {
  const clock = new FakeClock();
  const startMs = clock.now();
  const sessions = Array.from({ length: count }, () => new FakeSession(clock));
  const told: [number, number][] = [];
  const begin = () =>
    new Drain({
      sessions,
      plan: plan && { windowMs: 10_000, maxPerSecond: ENDLESS, deadlineMs: ENDLESS, ...plan },
      reason: "drained",
      clock,
      rng: seededRng(1),
      onProgress: (total, left) => told.push([total, left]),
    });
  /** When sessions were ended, since the start. */
  const times = (): number[] =>
    sessions.map(({ endedMs }) => (endedMs ?? ENDLESS) - startMs).toSorted((a, b) => a - b);
  /** The most that were ended within a second. */
  const mostInASecond = (): number => {
    const all = times();
    return Math.max(
      ...all.map((from) => all.filter((at) => at >= from && at < from + 1_000).length),
    );
  };
  return { clock, sessions, told, begin, times, mostInASecond };
}

describe("Drain", () => {
  test("spreads the ends evenly over the window", () => {
    const { clock, begin, times, told } = setup(1_000, {});
    begin();
    clock.advance(10_100);
    for (let second = 0; second < 10; second += 1) {
      const ended = times().filter((at) => at >= second * 1_000 && at < (second + 1) * 1_000);
      expect(ended.length).toBeGreaterThan(90);
      expect(ended.length).toBeLessThan(110);
    }
    // A tick ends few of them.
    expect(
      Math.max(...times().map((at) => times().filter((other) => other === at).length)),
    ).toBeLessThan(10);
    expect(told.at(0)).toEqual([1_000, 1_000]);
    expect(told.at(-1)).toEqual([1_000, 0]);
    expect(clock.pending).toBe(0);
  });

  test("begins after its delay, with those that are idle by then", () => {
    const { clock, sessions, begin, times, told } = setup(100, {
      delayMs: 5_000,
      deadlineMs: 20_000,
    });
    begin();
    const [first] = sessions;
    if (first === undefined) throw new Error("there are 100");
    clock.advance(4_900);
    expect([told.at(0), times()[0]]).toEqual([[100, 100], ENDLESS]);
    first.movedMs = clock.now();
    clock.advance(10_200);
    expect(Math.min(...times())).toBeGreaterThanOrEqual(5_000);
    expect(Math.max(...times())).toBeLessThan(15_100);
    expect(first.endedMs).toBeGreaterThan(times()[90] ?? ENDLESS);
    expect(told.at(-1)).toEqual([100, 0]);
  });

  test("lets those go during its delay that it is told to leave alone", () => {
    const { clock, sessions, begin, times, told } = setup(10, { delayMs: 5_000 });
    const drain = begin();
    clock.advance(1_000);
    drain.release((session) => session !== sessions[0]);
    clock.advance(20_000);
    expect(times().filter((at) => at < ENDLESS)).toHaveLength(1);
    expect(told.at(-1)).toEqual([10, 0]);
  });

  test("resets what its deadline meets during its delay", () => {
    const { clock, sessions, begin } = setup(3, { delayMs: 5_000, windowMs: 0, deadlineMs: 5_000 });
    begin();
    clock.advance(5_100);
    expect(sessions.map(({ reason }) => reason)).toEqual(Array(3).fill("drain_deadline"));
  });

  test("puts those that are busy off to the last third of the window, and spreads them there", () => {
    const { clock, sessions, begin, times } = setup(100, { windowMs: 9_000 });
    for (const session of sessions.slice(50)) session.movedMs = ENDLESS;
    begin();
    clock.advance(6_000);
    expect(sessions.slice(0, 50).every(({ closed }) => closed)).toBe(true);
    expect(sessions.slice(50).some(({ closed }) => closed)).toBe(false);
    clock.advance(3_100);
    const late = times().filter((at) => at >= 6_000);
    expect(late).toHaveLength(50);
    for (const from of [6_000, 7_000, 8_000])
      expect(late.filter((at) => at >= from && at <= from + 1_000).length).toBeGreaterThan(10);
  });

  test("takes those for busy that wait for an endpoint or for a slow reader", () => {
    const { clock, sessions, begin } = setup(3, { windowMs: 9_000 });
    const [waiting, slow, idle] = sessions;
    if (waiting !== undefined) waiting.connecting = true;
    if (slow !== undefined) slow.holding = true;
    begin();
    clock.advance(5_900);
    expect([waiting?.closed, slow?.closed, idle?.closed]).toEqual([false, false, true]);
    clock.advance(3_200);
    expect([waiting?.closed, slow?.closed]).toEqual([true, true]);
  });

  test("ends those first that have been idle for longest", () => {
    const { clock, sessions, begin } = setup(100, {});
    for (const [index, session] of sessions.entries()) session.movedMs = -10_000 - index;
    begin();
    clock.advance(10_100);
    const order = sessions.map(({ endedMs = 0 }) => endedMs);
    expect(order).toEqual(order.toSorted((a, b) => b - a));
  });

  test("ends no more in a second than the cap allows, and takes longer than the window for it", () => {
    const { clock, begin, times, mostInASecond } = setup(100, {
      windowMs: 1_000,
      maxPerSecond: 10,
    });
    begin();
    clock.advance(9_000);
    expect(times().filter((at) => at < ENDLESS).length).toBeGreaterThan(80);
    clock.advance(2_000);
    expect(times().filter((at) => at === ENDLESS)).toEqual([]);
    expect(mostInASecond()).toBeLessThanOrEqual(11);
  });

  test("resets at the deadline what has not ended", () => {
    const { clock, sessions, begin, told } = setup(10, { windowMs: 1_000, deadlineMs: 5_000 });
    for (const session of sessions.slice(0, 3)) session.stalls = true;
    const drain = begin();
    clock.advance(4_900);
    expect(drain.left).toBe(3);
    clock.advance(200);
    expect(sessions.map(({ reason }) => reason)).toEqual([
      ...Array(3).fill("drain_deadline"),
      ...Array(7).fill("drained"),
    ]);
    expect(told.at(-1)).toEqual([10, 0]);
    expect(clock.pending).toBe(0);
  });

  test("ends all at once where there is no window, and in order", () => {
    const { clock, sessions, begin } = setup(50, { windowMs: 0 });
    begin();
    clock.advance(250);
    expect(sessions.every(({ reason }) => reason === "drained")).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test("without a plan resets all, with the reason that was given", () => {
    const { clock, sessions, begin, told } = setup(50, undefined);
    begin();
    clock.advance(1);
    expect(sessions.every(({ closed, reason }) => closed && reason === "drained")).toBe(true);
    expect(told.at(-1)).toEqual([50, 0]);
  });

  test("counts those that end by themselves", () => {
    const { clock, sessions, begin, told } = setup(4, {});
    for (const session of sessions) session.movedMs = ENDLESS;
    const drain = begin();
    for (const session of sessions.slice(0, 3)) session.closed = true;
    clock.advance(300);
    expect(drain.left).toBe(1);
    clock.advance(1_000);
    expect(told.at(-1)).toEqual([4, 1]);
  });

  test("leaves those alone that are released, and sees to those it has begun", () => {
    const { clock, sessions, begin, told } = setup(10, { deadlineMs: 20_000 });
    for (const session of sessions) session.stalls = true;
    const drain = begin();
    clock.advance(4_000);
    const begun = sessions.filter(({ reason }) => reason !== undefined);
    expect(begun.length).toBeGreaterThan(0);
    drain.release(() => true);
    expect(drain.left).toBe(begun.length);
    clock.advance(20_000);
    expect(sessions.filter(({ closed }) => closed)).toEqual(begun);
    expect(told.at(-1)).toEqual([10, 0]);
  });

  test("is over at once when there is nothing to end", () => {
    const { clock, begin, told } = setup(0, {});
    begin();
    expect([told, clock.pending]).toEqual([[[0, 0]], 0]);
  });
});
