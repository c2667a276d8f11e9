// Simulates how a picker spreads connections: seeded, in turns instead of time. Run directly, in a
// minute, it prints the figures of docs/decisions/0001-pick-rule.md.
import { P2cPicker } from "../../src/balancer/p2c.ts";
import type { Pickable, Picker } from "../../src/balancer/picker.ts";
import { SumTree } from "../../src/balancer/sum-tree.ts";
import { type Rng, seededRng } from "../../src/lib/rng.ts";

/** What is simulated. */
export interface Scenario {
  /** Weight of each endpoint. */
  readonly weights: readonly number[];
  /** Connections open at a time: each arrival first ends one at random. 0: each ends at once. */
  readonly held: number;
  /** Connections counted, after a start that is not. */
  readonly connections: number;
  readonly seed: number;
  /** How long a connection lasts, relative, by endpoint: 10 is slow. All 1 when absent. */
  readonly durations?: readonly number[];
}

/** What came of it. Shares and loads are multiples of what the weight asks for, NaN where 0. */
export interface Outcome {
  /** Connections each endpoint got. */
  readonly connections: readonly number[];
  /** Share of the connections / share of the weight, by endpoint. */
  readonly shares: readonly number[];
  /** Mean load / fair load, by endpoint. 0 when none are held. */
  readonly loads: readonly number[];
  /** The fullest endpoint's load / fair load, averaged over the run. 0 when none are held. */
  readonly peak: number;
}

/** Makes the picker under test. */
export type MakePicker = (rng: Rng) => Picker<SimulatedEndpoint>;

/** An endpoint whose load the simulator writes. */
export interface SimulatedEndpoint extends Pickable {
  load: number;
}

// The start is left uncounted until every connection has been replaced about this many times.
const WARM_UP_TURNOVERS = 10;

/** Runs `scenario` against a picker. Same scenario, same outcome. */
export function simulate(scenario: Scenario, make: MakePicker): Outcome {
  const { weights, held, durations } = scenario;
  const endpoints = weights.map((weight): SimulatedEndpoint => ({
    weight,
    load: 0,
    pickerIndex: -1,
  }));
  const picker = make(seededRng(scenario.seed));
  for (const endpoint of endpoints) picker.add(endpoint);

  const departures = seededRng(scenario.seed + 1);
  const longest = Math.max(...(durations ?? [1]));
  const shortest = Math.min(...(durations ?? [1]));
  const total = weights.reduce((sum, w) => sum + w, 0);
  const indexOf = new Map(endpoints.map((endpoint, index) => [endpoint, index]));
  const open: SimulatedEndpoint[] = [];
  const got = weights.map(() => 0);
  const loadSums = weights.map(() => 0);
  let peakSum = 0;
  let samples = 0;

  /** Ends one open connection, with a chance that is inverse to how long its endpoint's last. */
  function depart(): void {
    for (;;) {
      const at = Math.floor(departures.next() * open.length);
      const endpoint = open[at];
      const last = open.at(-1);
      if (endpoint === undefined || last === undefined) return;
      const duration = durations?.[indexOf.get(endpoint) ?? 0] ?? 1;
      if (duration > shortest && departures.next() * duration >= shortest) continue;
      endpoint.load--;
      open[at] = last;
      open.pop();
      return;
    }
  }

  function sample(): void {
    let peak = 0;
    for (const [index, { weight, load }] of endpoints.entries()) {
      loadSums[index] = (loadSums[index] ?? 0) + load;
      if (weight > 0) peak = Math.max(peak, (load * total) / (weight * held));
    }
    peakSum += peak;
    samples++;
  }

  const warmUp = held * WARM_UP_TURNOVERS * (longest / shortest);
  // A sample looks at every endpoint: rare enough that it does not dominate the run.
  const samplePeriod = Math.max(16, weights.length);
  for (let turn = -warmUp; turn < scenario.connections; turn++) {
    if (held > 0 && open.length === held) depart();
    const picked = picker.pick(0);
    if (picked === undefined) continue;
    if (turn >= 0) {
      const index = indexOf.get(picked) ?? 0;
      got[index] = (got[index] ?? 0) + 1;
    }
    if (held === 0) continue;
    picked.load++;
    open.push(picked);
    if (turn >= 0 && turn % samplePeriod === 0) sample();
  }

  const relative = (values: readonly number[], whole: number) =>
    values.map((value, index) => (value / whole) * (total / (weights[index] ?? 0)));
  return {
    connections: got,
    shares: relative(got, scenario.connections),
    loads: held === 0 ? got.map(() => 0) : relative(loadSums, held * samples),
    peak: samples === 0 ? 0 : peakSum / samples,
  };
}

/** Whether the second drawn replaces the first. */
export type Rule = (
  first: SimulatedEndpoint,
  second: SimulatedEndpoint,
  held: number,
  total: number,
  rng: Rng,
) => boolean;

/** Rules tried and not taken. "first drawn" has ideal shares, "plain l/w" a good peak. */
export const rivals = {
  "first drawn": () => false,
  "(l+1)/w": (a, b) => (b.load + 1) / b.weight < (a.load + 1) / a.weight,
  "plain l/w": (a, b) => b.load / b.weight < a.load / a.weight,
  both: (a, b) =>
    b.load / b.weight < a.load / a.weight && (b.load + 1) / b.weight <= (a.load + 1) / a.weight,
  strict: (a, b) => (b.load + 1) / b.weight <= a.load / a.weight,
  "fair share": (a, b, held, total, rng) =>
    a.load >= Math.floor(((held + 1) * a.weight) / total + rng.next()) &&
    b.load < ((held + 1) * b.weight) / total,
  "dithered, uncorrected": (a, b, _held, _total, rng) =>
    rng.next() < (a.load / a.weight - b.load / b.weight) * Math.min(a.weight, b.weight),
  "dithered, corrected, capped": (a, b, _held, total, rng) => {
    const excess = (a.load / a.weight - b.load / b.weight) * Math.min(a.weight, b.weight);
    return rng.next() < Math.min(1, excess) * Math.min(1, (total - a.weight) / (total - b.weight));
  },
} as const satisfies Record<string, Rule>;

/** A picker that draws as P2cPicker does and chooses by `rule`. Its weights are fixed once added. */
export function pickerOf(rule: Rule): MakePicker {
  return (rng) => {
    const endpoints: SimulatedEndpoint[] = [];
    const tree = new SumTree();
    return {
      get size() {
        return endpoints.length;
      },
      get weight() {
        return tree.total;
      },
      add(endpoint) {
        tree.set(endpoints.length, endpoint.weight);
        endpoints.push(endpoint);
      },
      remove() {},
      reweigh() {},
      pick() {
        const r = rng.next() * tree.total;
        const first = endpoints[tree.find(r)];
        if (first === undefined || tree.total <= first.weight) return first;
        const start = r - tree.remainder;
        const rest = rng.next() * (tree.total - first.weight);
        const second = endpoints[tree.find(rest < start ? rest : rest + first.weight)];
        if (second === undefined || second === first) return first;
        let held = 0;
        // Only a rule that counts the whole load pays for it.
        if (rule.length > 2) for (const endpoint of endpoints) held += endpoint.load;
        return rule(first, second, held, tree.total, rng) ? second : first;
      },
    };
  };
}

/** The picker that production uses. */
export const p2c: MakePicker = (rng) => new P2cPicker(rng);

/** The largest relative error of any endpoint's share against its weight. */
export function worstError(outcome: Outcome): number {
  let worst = 0;
  for (const share of outcome.shares)
    if (!Number.isNaN(share)) worst = Math.max(worst, Math.abs(share - 1));
  return worst;
}

if (import.meta.main) printTable();

/** The figures of the decision record: worst share error, and peak where connections are held. */
function printTable(): void {
  const run = { connections: 3_000_000, seed: 1 };
  const rows: readonly (readonly [string, readonly number[], readonly number[]])[] = [
    ["8:1:1", [8, 1, 1], [0, 3, 10, 50]],
    ["1..10", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 50, 100, 500]],
    ["1:99", [1, 99], [10, 50, 100, 500]],
    ["1 % of 10", [1, 11, 11, 11, 11, 11, 11, 11, 11, 11], [10, 50, 500]],
    ["10 equal", Array.from({ length: 10 }, () => 1), [50]],
    ["10x in 100", [10, ...Array.from({ length: 99 }, () => 1)], [10, 500]],
    ["100:1", [100, 0, 1, 0], [10, 100, 505]],
  ];
  const makers: readonly (readonly [string, MakePicker])[] = [
    ["P2cPicker", p2c],
    ...Object.entries(rivals).map(([name, rule]) => [name, pickerOf(rule)] as const),
  ];
  console.log(`| weights, held | ${makers.map(([name]) => name).join(" | ")} |`);
  console.log(`|---|${makers.map(() => "---|").join("")}`);
  for (const [name, weights, helds] of rows) {
    for (const held of helds) {
      const cells = makers.map(([, make]) => {
        const outcome = simulate({ weights, held, ...run }, make);
        return `${(worstError(outcome) * 100).toFixed(1)} %${held > 0 ? `, ${outcome.peak.toFixed(2)}` : ""}`;
      });
      console.log(`| ${name}, ${held} | ${cells.join(" | ")} |`);
    }
  }
}
