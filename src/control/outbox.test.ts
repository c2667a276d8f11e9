import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { Outbox } from "./outbox.ts";

function setup() {
  const clock = new FakeClock();
  const sent: number[] = [];
  const outbox = new Outbox<number>((message) => sent.push(message), clock);
  const push = (from: number, to: number): void => {
    for (let message = from; message <= to; message += 1) outbox.push(message);
  };
  return { clock, sent, outbox, push };
}

describe("Outbox", () => {
  test("sends a few messages at once, and the others in order, stretch by stretch", () => {
    const { clock, sent, push } = setup();
    push(1, 10);
    expect(sent).toEqual([1, 2, 3, 4]);
    clock.advance(2);
    push(11, 11);
    expect(sent).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    clock.advance(2);
    expect(sent).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    clock.advance(10);
    expect(clock.pending).toBe(0);
    push(12, 12);
    expect(sent.at(-1)).toBe(12);
  });

  test("sends nothing to a worker that has gone", () => {
    const { clock, sent, outbox, push } = setup();
    push(1, 10);
    outbox.stop();
    clock.advance(10);
    expect([sent.length, clock.pending]).toEqual([4, 0]);
  });
});
