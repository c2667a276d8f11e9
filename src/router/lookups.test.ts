import { describe, expect, test } from "bun:test";
import type { Balancer } from "../balancer/balancer.ts";
import { Registry } from "../telemetry/registry.ts";
import type { Asker } from "./lookup.ts";
import { Lookups } from "./lookups.ts";
import { RouterMetrics } from "./metrics.ts";

/** A session that asks, and what it was told. */
class FakeAsker implements Asker {
  told: Balancer | "none" | undefined;

  onBalancer(balancer: Balancer): void {
    expect(this.told).toBeUndefined();
    this.told = balancer;
  }

  onNoBalancer(): void {
    expect(this.told).toBeUndefined();
    this.told = "none";
  }
}

/** What lookups see of a balancer. */
function fakeBalancer(): { balancer: Balancer; waiting: number; open: number; warm: number } {
  const state = { waiting: 0, open: 0, warm: 0 };
  const balancer = {
    get waiting() {
      return state.waiting;
    },
    metrics: {
      open: {
        get value() {
          return state.open;
        },
      },
      warm: {
        get value() {
          return state.warm;
        },
      },
    },
  } as unknown as Balancer;
  return Object.assign(state, { balancer });
}

function scene() {
  const calls: string[] = [];
  const metrics = new RouterMetrics(new Registry(() => {}), "r");
  const lookups = new Lookups({
    metrics,
    want: (path, wanted) => calls.push(`${wanted ? "want" : "leave"} ${path}`),
    hold: (destination) => {
      calls.push(`hold ${destination}`);
      return () => void calls.push(`release ${destination}`);
    },
    onUse: (destination, inUse) => calls.push(`${destination} ${inUse ? "used" : "idle"}`),
  });
  /** What was called since this was called before. */
  const since = (): string[] => calls.splice(0);
  return { lookups, metrics, since };
}

describe("Lookups", () => {
  test("asks once for a path, and tells all who wait for it", () => {
    const { lookups, metrics, since } = scene();
    const { balancer } = fakeBalancer();
    const [one, two, late] = [new FakeAsker(), new FakeAsker(), new FakeAsker()];
    expect([lookups.find("/a", one), lookups.find("/a", two)]).toEqual([undefined, undefined]);
    expect(since()).toEqual(["want /a"]);
    lookups.add("/a", 7, balancer);
    expect([one.told, two.told]).toEqual([balancer, balancer]);
    expect([lookups.find("/a", late), late.told]).toEqual([balancer, undefined]);
    expect([since(), metrics.found.value, metrics.errors.value]).toEqual([[], 3, 0]);
  });

  test("tells those who wait that there is none, and asks anew for the next", () => {
    const { lookups, metrics, since } = scene();
    const [one, two] = [new FakeAsker(), new FakeAsker()];
    lookups.find("/a", one);
    lookups.refuse("/a");
    lookups.find("/a", two);
    lookups.refuse("/other");
    expect([one.told, two.told, metrics.errors.value]).toEqual(["none", undefined, 1]);
    expect(since()).toEqual(["want /a", "want /a"]);
  });

  test("says when the last who waited has left, and tells nothing to those who left", () => {
    const { lookups, since } = scene();
    const [one, two] = [new FakeAsker(), new FakeAsker()];
    lookups.find("/a", one);
    lookups.find("/a", two);
    lookups.leave("/a", one);
    lookups.leave("/a", one);
    expect(since()).toEqual(["want /a"]);
    lookups.leave("/a", two);
    expect(since()).toEqual(["leave /a"]);
    lookups.add("/a", 7, fakeBalancer().balancer);
    lookups.refuse("/a");
    expect([one.told, two.told]).toEqual([undefined, undefined]);
  });

  test("says of each destination whether it is used: once after it is added, then when that changes", () => {
    const { lookups, since } = scene();
    const state = fakeBalancer();
    lookups.add("/a", 7, state.balancer);
    lookups.sample();
    lookups.sample();
    expect(since()).toEqual(["7 idle"]);
    // Found, and gone again between two looks.
    lookups.find("/a", new FakeAsker());
    lookups.sample();
    lookups.sample();
    expect(since()).toEqual(["7 used", "7 idle"]);
    state.waiting = 1;
    lookups.sample();
    Object.assign(state, { waiting: 0, open: 2, warm: 1 });
    lookups.sample();
    expect(since()).toEqual(["7 used"]);
    state.open = 1;
    lookups.sample();
    expect(since()).toEqual(["7 idle"]);
    lookups.add("/a", 7, state.balancer);
    lookups.sample();
    expect(since()).toEqual(["7 idle"]);
  });

  test("holds a destination that is removed for those who wait there, and asks anew for others", () => {
    const { lookups, since } = scene();
    const [busy, idle] = [fakeBalancer(), fakeBalancer()];
    lookups.add("/busy", 7, busy.balancer);
    lookups.add("/idle", 8, idle.balancer);
    busy.waiting = 1;
    for (const destination of [7, 8, 9]) lookups.remove(destination);
    expect(since()).toEqual(["hold 7"]);
    expect(lookups.find("/busy", new FakeAsker())).toBeUndefined();
    lookups.sample();
    expect(since()).toEqual(["want /busy"]);
    busy.waiting = 0;
    lookups.sample();
    lookups.sample();
    expect(since()).toEqual(["release 7"]);
  });

  test("at its end tells those who wait, and holds nothing", () => {
    const { lookups, since } = scene();
    const state = fakeBalancer();
    const one = new FakeAsker();
    lookups.add("/busy", 7, state.balancer);
    state.waiting = 1;
    lookups.remove(7);
    lookups.find("/a", one);
    lookups.stop();
    expect([one.told, since()]).toEqual(["none", ["hold 7", "want /a", "release 7"]]);
  });
});
