import { expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { DeadlineQueue } from "./deadlines.ts";

function setup(lengthMs: number) {
  const clock = new FakeClock();
  const queue = new DeadlineQueue(clock, lengthMs);
  const ran: string[] = [];
  const set = (name: string) => queue.set({ onDeadline: () => ran.push(name) });
  return { clock, queue, ran, set };
}

test("DeadlineQueue runs deadlines in the order in which they were set, each at its time", () => {
  const { clock, ran, set } = setup(100);
  set("a");
  clock.advance(60);
  set("b");
  clock.advance(40);
  expect(ran).toEqual(["a"]);
  clock.advance(59);
  expect(ran).toEqual(["a"]);
  clock.advance(1);
  expect(ran).toEqual(["a", "b"]);
  expect(clock.pending).toBe(0);
});

test("DeadlineQueue does not run what was cleared, wherever it stands", () => {
  const { clock, ran, set } = setup(100);
  const deadlines = ["a", "b", "c", "d"].map(set);
  for (const index of [1, 0, 3]) {
    deadlines[index]?.clear();
  }
  clock.advance(100);
  expect(ran).toEqual(["c"]);
});

test("DeadlineQueue lets a deadline set another one", () => {
  const clock = new FakeClock();
  const queue = new DeadlineQueue(clock, 10);
  let runs = 0;
  const runner = {
    onDeadline(): void {
      runs += 1;
      if (runs < 3) queue.set(runner);
    },
  };
  queue.set(runner);
  clock.advance(30);
  expect(runs).toBe(3);
  expect(clock.pending).toBe(0);
});

test("DeadlineQueue of infinite length sets nothing", () => {
  const { clock, set } = setup(Number.POSITIVE_INFINITY);
  expect(set("never")).toBeUndefined();
  expect(clock.pending).toBe(0);
});

test("DeadlineQueue that is stopped runs nothing and holds no timer", () => {
  const { clock, queue, ran, set } = setup(10);
  set("a");
  queue.stop();
  clock.advance(100);
  expect(ran).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("DeadlineQueue gives others a turn among thousands that fall due at once", () => {
  const { clock, ran, set } = setup(100);
  for (let count = 0; count < 1_000; count += 1) set(String(count));
  let ranBefore = 0;
  clock.after(100, () => (ranBefore = ran.length));
  clock.advance(100);
  expect(ranBefore).toBeLessThan(500);
  expect(ran).toEqual(Array.from({ length: 1_000 }, (_, count) => String(count)));
  expect(clock.pending).toBe(0);
});
