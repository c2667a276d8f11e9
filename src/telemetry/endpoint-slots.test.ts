import { describe, expect, test } from "bun:test";
import type { TakePlaces } from "../../test/support/slot-taker.ts";
import { EndpointSlots, newSlotPage, stampOf } from "./endpoint-slots.ts";

function slots(row: number, workers: number, page = newSlotPage(workers)): EndpointSlots[] {
  const cells = new Int32Array(page);
  return Array.from(
    { length: workers },
    (_, worker) => new EndpointSlots(cells, row, worker, workers),
  );
}

function inThread(message: TakePlaces): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const worker = new Worker(new URL("../../test/support/slot-taker.ts", import.meta.url).href);
  worker.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
  worker.onerror = (event) => reject(new Error(event.message));
  worker.postMessage(message);
  return promise.finally(() => worker.terminate());
}

describe("EndpointSlots", () => {
  test("gives as many places as there are, to all workers together", () => {
    const [first, second] = slots(5, 2) as [EndpointSlots, EndpointSlots];
    expect([first.take(3), second.take(3), first.take(3)]).toEqual([true, true, true]);
    expect([first.take(3), second.take(3)]).toEqual([false, false]);
    expect([first.held, first.ownHeld, second.ownHeld]).toEqual([3, 2, 1]);
    first.giveBack();
    expect([second.take(3), second.ownHeld]).toEqual([true, 2]);
  });

  test("keeps endpoints apart", () => {
    const page = newSlotPage(2);
    const [one] = slots(0, 2, page) as [EndpointSlots];
    const [other] = slots(1, 2, page) as [EndpointSlots];
    expect([one.take(1), other.take(1), one.take(1)]).toEqual([true, true, false]);
  });

  test("has all places of a dead worker again, also those it was about to take, and none of the others'", () => {
    const [dead, alive] = slots(2, 2) as [EndpointSlots, EndpointSlots];
    for (let count = 0; count < 3; count += 1) dead.take(4);
    dead.setWaiting(stampOf(1));
    alive.take(4);
    dead.clearOwn();
    expect([alive.held, alive.ownHeld]).toEqual([1, 1]);
    expect(alive.othersWaitSinceBefore(stampOf(1_000))).toBe(false);
  });

  test("tells whose queue has waited longer, also when the clock's 32 bits run over", () => {
    const [one, two] = slots(0, 2) as [EndpointSlots, EndpointSlots];
    expect(one.othersWaitSinceBefore(stampOf(1_000))).toBe(false);
    for (const at of [1_000, 0x7fff_ff00, 0xffff_ff00, 1_700_000_000_000]) {
      two.setWaiting(stampOf(at));
      expect(one.othersWaitSinceBefore(stampOf(at + 500))).toBe(true);
      expect(one.othersWaitSinceBefore(stampOf(at - 500))).toBe(false);
      expect(two.othersWaitSinceBefore(stampOf(at + 500))).toBe(false);
    }
    two.setWaiting(0);
    expect(one.othersWaitSinceBefore(stampOf(5_000))).toBe(false);
  });

  test("never gives more than there are to threads that take and leave them at the same time", async () => {
    const [workers, max] = [3, 2];
    const page = newSlotPage(workers);
    const witness = new SharedArrayBuffer(8);
    const got = await Promise.all(
      Array.from({ length: workers }, (_, worker) =>
        inThread({ slots: page, witness, worker, workers, max, rounds: 200_000 }),
      ),
    );
    expect(new Int32Array(witness)[1]).toBeLessThanOrEqual(max);
    // And nobody is kept out for good.
    expect(Math.min(...got)).toBeGreaterThan(0);
    expect(slots(3, workers, page)[0]?.held).toBe(0);
  });
});
