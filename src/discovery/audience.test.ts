import { describe, expect, test } from "bun:test";
import { Audience } from "./audience.ts";

function member(audience: Audience<number>) {
  const abort = new AbortController();
  const told: number[] = [];
  let left = 0;
  audience.add(
    abort.signal,
    (value) => told.push(value),
    () => left++,
  );
  return { abort, told, left: () => left };
}

describe("Audience", () => {
  test("tells a member the present after `add` has returned, and changes as they come", async () => {
    const audience = new Audience<number>();
    audience.tell(1);
    const { told } = member(audience);
    expect(told).toEqual([]);
    await Promise.resolve();
    expect(told).toEqual([1]);
    audience.tell(2);
    audience.tell(2);
    expect(told).toEqual([1, 2, 2]);
  });

  test("a value told in the same turn as `add` comes once, the latest", async () => {
    const audience = new Audience<number>();
    const { told } = member(audience);
    audience.tell(1);
    audience.tell(2);
    expect(told).toEqual([]);
    await Promise.resolve();
    expect(told).toEqual([2]);
  });

  test("a member without a present is told the first value when it comes", async () => {
    const audience = new Audience<number>();
    const { told } = member(audience);
    await Promise.resolve();
    audience.tell(1);
    expect(told).toEqual([1]);
  });

  test("tells nothing after the abort, and says that the member left", async () => {
    const audience = new Audience<number>();
    audience.tell(1);
    const [one, other] = [member(audience), member(audience)];
    expect(audience.size).toBe(2);
    one.abort.abort();
    expect(audience.size).toBe(1);
    expect([one.left(), other.left()]).toEqual([1, 0]);
    await Promise.resolve();
    expect(one.told).toEqual([]);
    expect(other.told).toEqual([1]);
  });

  test("a member that leaves from within a report stops the others from nothing", async () => {
    const audience = new Audience<number>();
    const abort = new AbortController();
    const first: number[] = [];
    audience.add(
      abort.signal,
      (value) => {
        first.push(value);
        abort.abort();
      },
      () => {},
    );
    const { told } = member(audience);
    await Promise.resolve();
    audience.tell(1);
    audience.tell(2);
    expect(first).toEqual([1]);
    expect(told).toEqual([1, 2]);
  });

  test("does not add who has left already", () => {
    const audience = new Audience<number>();
    audience.add(
      AbortSignal.abort(),
      () => {},
      () => expect.unreachable(),
    );
    expect(audience.size).toBe(0);
  });
});
