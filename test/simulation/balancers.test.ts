// What each kind of balancer promises, in simulated traffic: docs/decisions/0014-balancers.md has the figures.
import { describe, expect, test } from "bun:test";
import { BALANCERS, coldShare, SCENES, type Spread, spread } from "./balancers.ts";

type Kind = keyof typeof BALANCERS;
const KINDS = Object.keys(BALANCERS) as readonly Kind[];

function outcome(kind: Kind, scene: keyof typeof SCENES): Spread {
  return spread(BALANCERS[kind], { ...SCENES[scene], seed: 20_261 });
}

for (const kind of KINDS) {
  describe(kind, () => {
    test("spreads connections evenly among equals, and by weight among others", () => {
      // A hash of 2,000 clients is as even as chance: five standard errors of a tenth of them are 0.35.
      const tolerance = kind === "maglev, no bound" ? 0.35 : 0.2;
      for (const share of outcome(kind, "equal").shares)
        expect(Math.abs(share - 1)).toBeLessThan(tolerance);
      expect(Math.abs((outcome(kind, "weighted").shares[0] ?? 0) - 1)).toBeLessThan(0.06);
    });
  });
}

/** Least and most of a figure, by kind. */
function expectEach(
  bounds: Readonly<Record<Kind, readonly [number, number]>>,
  figure: (kind: Kind) => number,
): void {
  const wrong = KINDS.filter((kind) => {
    const [least, most] = bounds[kind];
    const value = figure(kind);
    return !(value >= least && value <= most);
  });
  expect(wrong.map((kind) => `${kind}: ${figure(kind)}`)).toEqual([]);
}

describe("The fullest of ten equal endpoints with 500 connections", () => {
  test("is fuller than it should be by so much", () => {
    expectEach(
      {
        p2c: [1, 1.08],
        ewma: [1, 1.08],
        leastConnections: [1, 1.02],
        roundRobin: [1, 1.25],
        maglev: [1, 1.26],
        "maglev, no bound": [1, 1.4],
        aperture: [1, 1.08],
      },
      (kind) => outcome(kind, "equal").peak,
    );
  });
});

describe("The fullest of ten endpoints, to which twenty processes hold 25 connections each,", () => {
  test("is fuller than it should be by so much, as processes know only of their own", () => {
    expectEach(
      {
        p2c: [1, 1.22],
        ewma: [1, 1.22],
        leastConnections: [1, 1.15],
        roundRobin: [1, 1.25],
        maglev: [1, 1.35],
        "maglev, no bound": [1, 1.35],
        aperture: [1, 1.25],
      },
      (kind) => outcome(kind, "many").peak,
    );
  });
});

describe("An endpoint that is ten times slower", () => {
  test("has no more than its load where load is looked at, less where latency is, and much more elsewhere", () => {
    expectEach(
      {
        p2c: [0.9, 1.2],
        ewma: [0.05, 0.5],
        leastConnections: [0.9, 1.1],
        roundRobin: [4, 6],
        maglev: [1, 1.4],
        "maglev, no bound": [3.5, 6],
        aperture: [0.9, 1.2],
      },
      (kind) => outcome(kind, "slow").loads[0] ?? 0,
    );
  });

  test("is not forgotten: it goes on to get connections", () => {
    for (const kind of KINDS) expect(outcome(kind, "slow").shares[0] ?? 0).toBeGreaterThan(0.005);
  });
});

describe("A new endpoint", () => {
  test("gets at most twice its share at first where two are drawn, and a flood where the least loaded is taken", () => {
    expectEach(
      {
        p2c: [1.5, 2.2],
        ewma: [1.3, 2.2],
        leastConnections: [4, 8],
        roundRobin: [0.8, 1.2],
        maglev: [0.7, 1.5],
        "maglev, no bound": [0.7, 1.5],
        aperture: [1.5, 2.3],
      },
      (kind) => coldShare(BALANCERS[kind]),
    );
  });
});

describe("An endpoint that refuses at once, before it is ejected", () => {
  test("attracts attempts where it looks idle, and hardly any where failures count as latency", () => {
    expectEach(
      {
        p2c: [1, 2.2],
        ewma: [0.001, 0.2],
        leastConnections: [4, 5.1],
        roundRobin: [0.8, 2],
        maglev: [0.6, 1.4],
        "maglev, no bound": [0.6, 1.4],
        aperture: [1, 2.2],
      },
      (kind) => outcome(kind, "failing").shares[0] ?? 0,
    );
  });
});

describe("A client that comes again", () => {
  test("meets its endpoint with maglev, nearly always with a bound too, and by chance otherwise", () => {
    expect(outcome("maglev, no bound", "equal").kept).toBe(1);
    expect(outcome("maglev", "equal").kept).toBeGreaterThan(0.95);
    expect(outcome("p2c", "equal").kept).toBeWithin(0.08, 0.12);
  });
});

describe("Twenty processes that hold 25 connections each", () => {
  test("use a part of the endpoints with aperture, and all of them otherwise", () => {
    expect(outcome("aperture", "many").used).toBeLessThan(5);
    expect(outcome("p2c", "many").used).toBe(10);
  });
});
