// Simulates every kind of balancer with endpoints that are equal, weighted, slow, new or failing: seeded, in simulated
// time. Run directly, in half a minute, it prints the table of docs/decisions/0014-balancers.md.
import { placeOf } from "../../src/balancer/aperture.ts";
import type { Timed } from "../../src/balancer/latency.ts";
import type { Located, Picker } from "../../src/balancer/picker.ts";
import { createPickers } from "../../src/balancer/pickers.ts";
import type { LoadBalancerConfig } from "../../src/config/types.ts";
import { hashText, mix } from "../../src/lib/hash.ts";
import { type Rng, seededRng } from "../../src/lib/rng.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** What is simulated. Connections come at random, clients by chance, in a steady stream. */
export interface Traffic {
  /** Weight of each endpoint. */
  readonly weights: readonly number[];
  /** How long a connection lasts, and an answer takes, as a multiple of the usual; 1 where not given. */
  readonly slowness?: readonly number[];
  /** The endpoint that refuses every connection; none when absent. */
  readonly failing?: number;
  /** The endpoint that comes in the middle; what is counted begins then. */
  readonly late?: number;
  /** Connections open at a time when all endpoints are of the usual speed, about. */
  readonly held: number;
  /** Connections that are counted. */
  readonly connections: number;
  /** Processes that know nothing of each other; clients go to any of them. */
  readonly processes: number;
  readonly clients: number;
  readonly seed: number;
}

/** What came of it. */
export interface Spread {
  /** Attempts at each endpoint / what its weight asks for. */
  readonly shares: readonly number[];
  /** Mean load / what its weight asks for. */
  readonly loads: readonly number[];
  /** The fullest endpoint's load / its fair load, averaged over the run. */
  readonly peak: number;
  /** Part of the clients' connections that went where the client's last one went. */
  readonly kept: number;
  /** Endpoints that a process used, on average. */
  readonly used: number;
}

/** Mean life of a connection to an endpoint of the usual speed. */
const LIFE_MS = 10_000;
const ANSWER_MS = 10;
const REFUSAL_MS = 0.2;

interface Simulated extends Located, Timed {
  readonly index: number;
  load: number;
}

interface Process {
  readonly picker: Picker<Simulated>;
  readonly endpoints: readonly Simulated[];
  readonly used: Set<number>;
  readonly latencies: ReturnType<typeof createPickers>["latencies"];
}

/** Runs `traffic` against a kind of balancer. Same traffic, same spread. */
export function spread(config: LoadBalancerConfig, traffic: Traffic): Spread {
  return new Simulation(config, traffic).run();
}

class Simulation {
  readonly #traffic: Traffic;
  readonly #clock = new FakeClock();
  readonly #rng: Rng;
  readonly #processes: readonly Process[];
  readonly #ends = new EndQueue();
  readonly #lastOf = new Map<number, number>();
  readonly #attempts: number[];
  readonly #loads: number[];
  readonly #loadSums: number[];
  #peakSum = 0;
  #samples = 0;
  #kept = 0;
  #again = 0;
  #counting = false;

  constructor(config: LoadBalancerConfig, traffic: Traffic) {
    this.#traffic = traffic;
    this.#rng = seededRng(traffic.seed);
    this.#attempts = traffic.weights.map(() => 0);
    this.#loads = traffic.weights.map(() => 0);
    this.#loadSums = traffic.weights.map(() => 0);
    this.#processes = Array.from({ length: traffic.processes }, (_, number) =>
      this.#process(config, number),
    );
  }

  run(): Spread {
    const { connections, weights, held } = this.#traffic;
    const slowest = Math.max(...(this.#traffic.slowness ?? [1]));
    const warmUp = Math.max(2_000, 6 * held * slowest);
    for (let n = 0; n < warmUp; n += 1) this.#arrive();
    this.#begin();
    for (let n = 0; n < connections; n += 1) this.#arrive();
    const all = this.#attempts.reduce((sum, got) => sum + got, 0);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const allLoad = this.#loadSums.reduce((sum, load) => sum + load, 0);
    const relative = (values: readonly number[], whole: number) =>
      values.map((value, index) => (value / whole) * (total / (weights[index] ?? 0)));
    const used = this.#processes.reduce((sum, process) => sum + process.used.size, 0);
    return {
      shares: relative(this.#attempts, all),
      loads: relative(this.#loadSums, allLoad),
      peak: this.#peakSum / this.#samples,
      kept: this.#kept / this.#again,
      used: used / this.#processes.length,
    };
  }

  #begin(): void {
    this.#counting = true;
    const { late } = this.#traffic;
    for (const { picker, endpoints, used } of this.#processes) {
      used.clear();
      const endpoint = late === undefined ? undefined : endpoints[late];
      if (endpoint !== undefined) picker.add(endpoint);
    }
  }

  #process(config: LoadBalancerConfig, number: number): Process {
    const { weights, late, seed } = this.#traffic;
    const { make, latencies } = createPickers(config, {
      clock: this.#clock,
      rng: seededRng(mix(seed + number)),
      place: () => placeOf(`proxy-${number}`, "/svc/web"),
    });
    const endpoints = weights.map((weight, index): Simulated => ({
      index,
      weight,
      load: 0,
      address: `10.0.0.${index}:80`,
      pickerIndex: -1,
      latency: undefined,
    }));
    // Made for endpoints; what is simulated has all that pickers read.
    const picker = make() as unknown as Picker<Simulated>;
    for (const endpoint of endpoints) if (endpoint.index !== late) picker.add(endpoint);
    return { picker, endpoints, used: new Set(), latencies };
  }

  #arrive(): void {
    const { held, clients, processes } = this.#traffic;
    this.#clock.advance(this.#after(LIFE_MS / held));
    this.#endUntil(this.#clock.now());
    const client = Math.floor(this.#rng.next() * clients);
    const process = this.#processes[Math.floor(this.#rng.next() * processes)];
    if (process !== undefined) this.#connect(process, client);
    if (this.#counting) this.#sample();
  }

  #connect(process: Process, client: number): void {
    const { failing, slowness } = this.#traffic;
    const { picker, latencies, used } = process;
    const key = hashText(`client ${client}`);
    let endpoint = picker.pick(key);
    if (endpoint === undefined) return;
    this.#count(endpoint.index);
    if (endpoint.index === failing) {
      latencies?.failed(endpoint, REFUSAL_MS);
      const refused = endpoint;
      picker.remove(refused);
      endpoint = picker.pick(key);
      picker.add(refused);
      if (endpoint === undefined) return;
      this.#count(endpoint.index);
    }
    const { index } = endpoint;
    const slow = slowness?.[index] ?? 1;
    latencies?.observe(endpoint, ANSWER_MS * slow * (0.8 + 0.4 * this.#rng.next()));
    endpoint.load += 1;
    this.#loads[index] = (this.#loads[index] ?? 0) + 1;
    this.#ends.push(this.#clock.now() + this.#after(LIFE_MS * slow), endpoint);
    if (!this.#counting) return;
    used.add(index);
    const last = this.#lastOf.get(client);
    if (last !== undefined) this.#again += 1;
    if (last === index) this.#kept += 1;
    this.#lastOf.set(client, index);
  }

  #count(index: number): void {
    if (this.#counting) this.#attempts[index] = (this.#attempts[index] ?? 0) + 1;
  }

  #endUntil(nowMs: number): void {
    for (let end = this.#ends.due(nowMs); end !== undefined; end = this.#ends.due(nowMs)) {
      end.load -= 1;
      this.#loads[end.index] = (this.#loads[end.index] ?? 0) - 1;
    }
  }

  #sample(): void {
    const { weights } = this.#traffic;
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const held = this.#loads.reduce((sum, load) => sum + load, 0);
    let peak = 0;
    for (const [index, load] of this.#loads.entries()) {
      this.#loadSums[index] = (this.#loadSums[index] ?? 0) + load;
      peak = Math.max(peak, (load / held) * (total / (weights[index] ?? 0)));
    }
    this.#peakSum += peak;
    this.#samples += 1;
  }

  /** A time until something that happens by chance, once in `meanMs`. */
  #after(meanMs: number): number {
    return -Math.log(1 - this.#rng.next()) * meanMs;
  }
}

/** Connections by when they end: a binary heap. */
class EndQueue {
  readonly #heap: { readonly atMs: number; readonly endpoint: Simulated }[] = [];

  push(atMs: number, endpoint: Simulated): void {
    const heap = this.#heap;
    heap.push({ atMs, endpoint });
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (this.#timeOf(parent) <= this.#timeOf(at)) return;
      this.#swap(parent, at);
      at = parent;
    }
  }

  /** Takes out one that has ended. */
  due(nowMs: number): Simulated | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    this.#swap(0, heap.length - 1);
    heap.pop();
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const least = this.#timeOf(left + 1) < this.#timeOf(left) ? left + 1 : left;
      if (this.#timeOf(least) >= this.#timeOf(at)) return first.endpoint;
      this.#swap(least, at);
      at = least;
    }
  }

  #timeOf(at: number): number {
    return this.#heap[at]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap;
    const [first, second] = [heap[a], heap[b]];
    if (first === undefined || second === undefined) return;
    heap[a] = second;
    heap[b] = first;
  }
}

/** Every kind, with its defaults; an aperture of TCP connections needs other loads than linkerd's. */
export const BALANCERS = {
  p2c: { kind: "p2c" },
  ewma: { kind: "ewma", decayTimeMs: 10_000 },
  leastConnections: { kind: "leastConnections" },
  roundRobin: { kind: "roundRobin" },
  maglev: { kind: "maglev", maxLoadFactor: 1.25 },
  "maglev, no bound": { kind: "maglev", maxLoadFactor: Number.POSITIVE_INFINITY },
  aperture: { kind: "aperture", minAperture: 3, lowLoad: 5, highLoad: 20, smoothWindowMs: 5_000 },
} as const satisfies Record<string, LoadBalancerConfig>;

const BASE = {
  held: 500,
  connections: 20_000,
  processes: 1,

  clients: 2_000,
  seed: 1,
};
const TEN = Array.from({ length: 10 }, () => 1);

/** The scenes of the table. The endpoint that differs is the first. */
export const SCENES = {
  equal: { ...BASE, weights: TEN },
  weighted: { ...BASE, weights: [8, ...TEN.slice(1)] },
  slow: { ...BASE, weights: TEN, slowness: [10, ...TEN.slice(1)] },
  /** The first 100 connections after it has come. */
  cold: { ...BASE, weights: TEN, late: 0, connections: 100 },
  failing: { ...BASE, weights: TEN, failing: 0 },
  /** Twenty processes with 25 connections each. */
  many: { ...BASE, weights: TEN, processes: 20 },
} as const satisfies Record<string, Traffic>;

if (import.meta.main) printTable();

function printTable(): void {
  const x = (value: number | undefined) => `${(value ?? 0).toFixed(2)}`;
  console.log(
    "| kind | equal: peak | 8 of 17: share, peak | slow: share, load | new: share of the first 100 | failing: attempts | client kept | 20 processes: peak, endpoints used by each |",
  );
  console.log(`|${"---|".repeat(8)}`);
  for (const [name, config] of Object.entries(BALANCERS)) {
    const { equal, weighted, slow, failing, many } = SCENES;
    const [even, heavy, slowed, failed, twenty] = [equal, weighted, slow, failing, many].map(
      (scene) => spread(config, scene),
    );
    const cells = [
      x(even?.peak),
      `${x(heavy?.shares[0])}, ${x(heavy?.peak)}`,
      `${x(slowed?.shares[0])}, ${x(slowed?.loads[0])}`,
      x(coldShare(config)),
      x(failed?.shares[0]),
      `${((even?.kept ?? 0) * 100).toFixed(0)} %`,
      `${x(twenty?.peak)}, ${x(twenty?.used)}`,
    ];
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
}

/** The share of a new endpoint in the first 100 connections, averaged over 30 runs. */
export function coldShare(config: LoadBalancerConfig): number {
  const runs = Array.from({ length: 30 }, (_, seed) => spread(config, { ...SCENES.cold, seed }));
  return runs.reduce((sum, { shares }) => sum + (shares[0] ?? 0), 0) / runs.length;
}
