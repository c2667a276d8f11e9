// Simulates endpoints that fail, under each rule of failure accrual, and endpoints that come back, with slow start and
// without: the balancer as it is, seeded, in simulated time. Run directly it prints the tables of
// docs/decisions/0016-failure-accrual.md.
import { Balancer } from "../../src/balancer/balancer.ts";
import type { EndpointConnection } from "../../src/balancer/connection.ts";
import { Endpoint } from "../../src/balancer/endpoint.ts";
import { BalancerMetrics } from "../../src/balancer/metrics.ts";
import { createPickers } from "../../src/balancer/pickers.ts";
import type { Waiter } from "../../src/balancer/wait.ts";
import type { AccrualConfig } from "../../src/config/accrual-types.ts";
import type { LoadBalancerConfig } from "../../src/config/types.ts";
import { type Rng, seededRng } from "../../src/lib/rng.ts";
import { EndpointRow, newEndpointPage } from "../../src/telemetry/endpoint-table.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { Registry } from "../../src/telemetry/registry.ts";
import { connectTarget } from "../../src/transport/connector.ts";
import { afterFailures, AT_ONCE } from "../support/accrual-config.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { type FakeAttempt, FakeConnector } from "../support/fake-sockets.ts";
import { BALANCERS } from "./balancers.ts";

const ENDPOINTS = 10;
/** Connections held at a time, about, and their mean life: 50 come in a second. */
const HELD = 500;
const LIFE_MS = 10_000;

/** What the first endpoint does: works, refuses, accepts and resets, or refuses every other connection by chance. */
export type Behaviour = "works" | "refuses" | "resets" | "refuses half";

export interface Trial {
  readonly accrual: AccrualConfig;
  readonly slowStartMs?: number;
  readonly kind?: LoadBalancerConfig;
  readonly seed?: number;
}

/** A destination with ten endpoints and a steady stream of clients. Endpoint 1 is the one that misbehaves. */
export class Scene {
  behaviour: Behaviour = "works";
  /** Connections that clients had with endpoint 1, attempts at it for them or as probes, and clients that it has reset. */
  served = 0;
  attempts = 0;
  lost = 0;
  readonly endpoint: Endpoint;
  readonly #clock = new FakeClock();
  readonly #rng: Rng;
  readonly #connector = new FakeConnector();
  readonly #balancer: Balancer;
  #decided = 0;

  constructor({ accrual, slowStartMs = 0, kind = { kind: "p2c" }, seed = 1 }: Trial) {
    const clock = this.#clock;
    const rng = seededRng(seed);
    this.#rng = seededRng(seed + 1_000);
    this.#balancer = new Balancer({
      settings: {
        ...AT_ONCE,
        accrual,
        slowStart: { windowMs: slowStartMs, minShare: 0.1 },
        maxWaiters: 1_000,
        minConnections: 0,
        retryBudget: { minRetriesPerSec: 10, percentCanRetry: 0.2, ttlMs: 10_000 },
        maxConnectionsPerEndpoint: Number.POSITIVE_INFINITY,
      },
      pickers: createPickers(kind, { clock, rng, place: () => 0 }),
      connector: this.#connector,
      metrics: new BalancerMetrics(new Registry(() => {}), "rt", "/svc/web"),
      clock,
      rng,
      log: silentLogger,
      peerHasClosed: () => false,
      onReleased: () => {},
    });
    const page = new Float64Array(newEndpointPage(1));
    const [first, ...others] = Array.from({ length: ENDPOINTS }, (_, index) => {
      const row = new EndpointRow(page, index, 0, 1);
      const target = connectTarget("127.0.0.1", 1001 + index);
      return new Endpoint({ id: index + 1, branch: 0, target, weight: 1, row });
    });
    if (first === undefined) throw new Error("there are no endpoints");
    this.endpoint = first;
    const branches = [{ branch: 0, weight: 1 }];
    const added = [first, ...others];
    this.#balancer.update({ known: true, branches, added, changed: [], removed: [] });
  }

  /** Lets `count` clients come. */
  run(count: number): void {
    for (let client = 0; client < count; client += 1) {
      this.#clock.advance(-Math.log(1 - this.#rng.next()) * (LIFE_MS / HELD));
      this.#decide();
      this.#balancer.acquire(new Client(this.#rng, (connection) => this.#serve(connection)));
      this.#decide();
    }
  }

  /** Lets clients come until `isOver`. */
  runUntil(isOver: () => boolean): void {
    for (let count = 0; count < 1_000_000 && !isOver(); count += 1) this.run(1);
  }

  #serve(connection: EndpointConnection): void {
    const isFirst = connection.endpoint === this.endpoint;
    if (isFirst) this.served += 1;
    if (isFirst && this.behaviour === "resets") {
      this.lost += 1;
      connection.end("early_reset");
      return;
    }
    if (connection.timed) {
      connection.onAsked();
      connection.onAnswer();
    }
    const lifeMs = -Math.log(1 - this.#rng.next()) * LIFE_MS;
    this.#clock.after(lifeMs, () => connection.end());
  }

  /** Each attempt under way comes out as its endpoint behaves. */
  #decide(): void {
    const { attempts } = this.#connector;
    for (; this.#decided < attempts.length; this.#decided += 1) {
      const attempt = attempts[this.#decided];
      if (attempt !== undefined && !attempt.aborted) this.#end(attempt);
    }
  }

  #end(attempt: FakeAttempt): void {
    const isFirst = attempt.target.port === 1001;
    if (isFirst) this.attempts += 1;
    const fails = this.behaviour === "refuses half" && this.#rng.next() < 0.5;
    if (isFirst && (this.behaviour === "refuses" || fails)) return attempt.fail();
    const socket = attempt.succeed();
    // For the probe, which owns its socket; what clients have was told in `#serve`.
    if (isFirst && this.behaviour === "resets" && socket.state === "open") socket.receiveReset();
  }
}

class Client implements Waiter {
  readonly #hash: number;
  readonly #onServed: (connection: EndpointConnection) => void;

  constructor(rng: Rng, onServed: (connection: EndpointConnection) => void) {
    this.#hash = Math.floor(rng.next() * 2 ** 32) | 0;
    this.#onServed = onServed;
  }

  clientHash(): number {
    return this.#hash;
  }

  onEndpoint(connection: EndpointConnection): void {
    this.#onServed(connection);
  }

  onRefused(): void {}
}

const LINKERDS = { kind: "equalJittered", minMs: 5_000, maxMs: 300_000 } as const;

/** The rules of the table. */
export const RULES = {
  none: afterFailures(1, 1, { rule: { kind: "none" } }),
  "5 in a row": afterFailures(5, 60_000, { maxEjectedPercent: 50 }),
  "5 in a row, growing": afterFailures(5, 0, { backoff: LINKERDS, maxEjectedPercent: 50 }),
  "success rate 0.8 of 20": afterFailures(1, 0, {
    rule: { kind: "successRate", successRate: 0.8, requests: 20 },
    backoff: LINKERDS,
    maxEjectedPercent: 50,
  }),
  "success rate 0.8 in 30 s": afterFailures(1, 0, {
    rule: { kind: "successRateWindowed", successRate: 0.8, windowMs: 30_000 },
    backoff: LINKERDS,
    maxEjectedPercent: 50,
  }),
} as const satisfies Record<string, AccrualConfig>;

/** Of a thousand clients over ten minutes: attempts at an endpoint that misbehaves, and clients that it has reset. */
export function harm(accrual: AccrualConfig, behaviour: Behaviour, seed = 1) {
  const scene = new Scene({ accrual, seed });
  scene.run(2_000);
  scene.behaviour = behaviour;
  const before = scene.attempts;
  const clients = 30_000;
  scene.run(clients);
  const per = 1_000 / clients;
  return { attempts: (scene.attempts - before) * per, lost: scene.lost * per };
}

/**
 * What an endpoint gets of the first 100 connections after it is back, over its fair share, and of the 1,500 after those,
 * which is the rest of a slow start of half a minute; averages of `runs`.
 */
export function comeback(kind: LoadBalancerConfig, slowStartMs: number, runs = 10) {
  let first = 0;
  let rest = 0;
  for (let seed = 1; seed <= runs; seed += 1) {
    const accrual = afterFailures(5, 10_000);
    const scene = new Scene({ accrual, slowStartMs, kind, seed });
    scene.run(1_000);
    scene.behaviour = "refuses";
    scene.runUntil(() => scene.endpoint.state === "ejected");
    // Its connections end before it is back.
    scene.run(2_000);
    scene.behaviour = "works";
    scene.runUntil(() => scene.endpoint.state === "ready");
    const start = scene.served;
    scene.run(100);
    first += scene.served - start;
    scene.run(1_500);
    rest += scene.served - start;
  }
  rest -= first;
  return { first: first / runs / (100 / ENDPOINTS), rest: rest / runs / (1_500 / ENDPOINTS) };
}

if (import.meta.main) printTables();

function printTables(): void {
  const x = (value: number) => value.toFixed(2);
  console.log(
    "| rule | refuses: attempts | resets: clients lost | refuses half: attempts | works: attempts |",
  );
  console.log(`|${"---|".repeat(5)}`);
  for (const [name, rule] of Object.entries(RULES)) {
    const of = (behaviour: Behaviour) => harm(rule, behaviour);
    const cells = [of("refuses").attempts, of("resets").lost, of("refuses half").attempts];
    console.log(`| ${name} | ${[...cells, of("works").attempts].map(x).join(" | ")} |`);
  }
  console.log("\n| kind | at once: first 100, next 1,500 | slow start of 30 s: the same |");
  console.log(`|${"---|".repeat(3)}`);
  for (const [name, kind] of Object.entries(BALANCERS)) {
    const [off, on] = [comeback(kind, 0), comeback(kind, 30_000)];
    console.log(`| ${name} | ${x(off.first)}, ${x(off.rest)} | ${x(on.first)}, ${x(on.rest)} |`);
  }
}
