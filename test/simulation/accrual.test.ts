// What the rules of failure accrual and slow start promise, in simulated traffic: docs/decisions/0016-failure-accrual.md has
// the figures.
import { describe, expect, test } from "bun:test";
import { comeback, harm, RULES } from "./accrual.ts";
import { BALANCERS } from "./balancers.ts";

const SEED = 20_261;
const KINDS = Object.keys(BALANCERS) as readonly (keyof typeof BALANCERS)[];
const COUNTING = ["5 in a row", "5 in a row, growing"] as const;
const RATES = ["success rate 0.8 of 20", "success rate 0.8 in 30 s"] as const;

describe("Of a thousand clients, an endpoint among ten that misbehaves for ten minutes", () => {
  test("draws two hundred attempts, or loses as many clients, when nothing is ejected", () => {
    expect(harm(RULES.none, "refuses", SEED).attempts).toBeGreaterThan(150);
    expect(harm(RULES.none, "resets", SEED).lost).toBeGreaterThan(150);
  });

  test.each([...COUNTING, ...RATES])("draws and loses next to none with: %s", (rule) => {
    expect(harm(RULES[rule], "refuses", SEED).attempts).toBeLessThan(5);
    expect(harm(RULES[rule], "resets", SEED).lost).toBeLessThan(5);
  });

  test("loses no client to its probes: they find its resets themselves", () => {
    // Five in a row at first, of thirty thousand.
    expect(harm(RULES["5 in a row"], "resets", SEED).lost).toBeCloseTo(5 / 30, 5);
  });

  test("is found out by a rate of outcomes when it refuses only half of them", () => {
    const of = (rule: keyof typeof RULES) => harm(RULES[rule], "refuses half", SEED).attempts;
    expect(of("none")).toBeGreaterThan(150);
    expect(of("success rate 0.8 of 20")).toBeLessThan(30);
  });

  test.each([...COUNTING, ...RATES])("is not touched while it works: %s", (rule) => {
    expect(harm(RULES[rule], "works", SEED)).toEqual(harm(RULES.none, "works", SEED));
  });
});

describe("An endpoint without load that is back", () => {
  test.each(KINDS)("is not flooded in slow start, and gets a share all the same: %s", (kind) => {
    const { first, rest } = comeback(BALANCERS[kind], 30_000, 5);
    expect(first).toBeLessThan(1);
    expect(rest).toBeWithin(0.5, 1);
  });

  test("gets twice its share at once with p2c, and every connection with leastConnections, without it", () => {
    expect(comeback(BALANCERS.p2c, 0, 5).first).toBeWithin(1.5, 2.4);
    expect(comeback(BALANCERS.leastConnections, 0, 5).first).toBeGreaterThan(4);
    expect(comeback(BALANCERS.p2c, 30_000, 5).first).toBeLessThan(0.5);
  });
});
