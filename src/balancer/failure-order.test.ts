import { describe, expect, test } from "bun:test";
import { balancerScene } from "../../test/support/balancer-scene.ts";
import { seededRng } from "../lib/rng.ts";
import { FailureOrder } from "./failure-order.ts";
import { createPickers } from "./pickers.ts";
import { Pool } from "./pool.ts";

/** A pool of three, of which those with the numbers `ejected` are out. */
function setup({ ejected = [] as readonly number[], panicThresholdPercent = 0 } = {}) {
  const { clock, endpoint } = balancerScene({ endpoints: 0 });
  const rng = seededRng(1);
  const pickers = createPickers({ kind: "p2c" }, { clock, rng, place: () => 0 });
  const pool = new Pool(rng, pickers, panicThresholdPercent);
  pool.setBranches([{ branch: 0, weight: 1 }]);
  const [a, b, c] = [endpoint(0, 0), endpoint(1, 0), endpoint(2, 0)];
  for (const each of [a, b, c]) pool.add(each);
  for (const each of [a, b, c]) if (ejected.includes(each.id)) pool.eject(each);
  return { pool, order: new FailureOrder(pool), a, b, c };
}

describe("FailureOrder", () => {
  test("passes over what was tried, and not over what others have reached since", () => {
    const { order, a, b } = setup();
    order.note(a);
    order.note(b);
    expect(order.stillTried([a, b])).toEqual([a, b]);
    a.lastFailureNumber = 0;
    expect(order.stillTried([a, b])).toEqual([b]);
  });

  test("offers the last that is not ejected again after as many failures as there are endpoints", () => {
    const { order, a, b, c } = setup({ ejected: [1, 2] });
    order.note(a);
    order.note(b);
    order.note(c);
    expect(order.stillTried([a])).toEqual([a]);
    order.note(b);
    expect(order.stillTried([a])).toEqual([]);
    expect(order.stillTried([a, b])).toEqual([b]);
    order.note(a);
    expect(order.stillTried([a])).toEqual([a]);
  });

  test("offers nothing again while another is left that is not ejected, and in a panic", () => {
    const { pool, order, a, b, c } = setup({ ejected: [2] });
    order.note(a);
    for (let failure = 0; failure < 10; failure += 1) order.note(c);
    expect(order.stillTried([a])).toEqual([a]);
    expect(order.stillTried([a, b])).toEqual([a]);
    pool.eject(b);
    expect(order.stillTried([a])).toEqual([]);
    pool.setPanicThreshold(50);
    pool.settle();
    expect([pool.panics, order.stillTried([a])]).toEqual([true, [a]]);
  });
});
