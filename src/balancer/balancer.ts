// Gives sessions their connections to endpoints: joins the pool, ejection, warm connections and those who wait.
import { Backoff } from "../lib/backoff.ts";
import type { AccrualConfig, SlowStartConfig } from "../config/accrual-types.ts";
import type { ClientProxyProtocolConfig } from "../config/types.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { ConnectFailure, Connector } from "../transport/connector.ts";
import type { Socket } from "../transport/socket.ts";
import {
  type ConnectionContext,
  type ConnectionObserver,
  EndpointConnection,
  type Unanswered,
} from "./connection.ts";
import { EjectionReport } from "./ejection-report.ts";
import { Ejector } from "./ejector.ts";
import type { Endpoint, EndpointCondition } from "./endpoint.ts";
import { EndpointLimit } from "./endpoint-limit.ts";
import type { BalancerMetrics } from "./metrics.ts";
import type { Latencies } from "./latency.ts";
import type { Pickers } from "./pickers.ts";
import { type BranchWeight, Pool } from "./pool.ts";
import { type ProbeObserver, Prober } from "./prober.ts";
import type { RetryBudgetSettings } from "./retry-budget.ts";
import { RetryQueue } from "./retry-queue.ts";
import { SlowStart } from "./slow-start.ts";
import { Wait, type Waiter, type WaitSource } from "./wait.ts";
import { WarmPool, type WarmSource } from "./warm-pool.ts";

/** Delays between two rounds over endpoints that all failed. */
const ROUND_BACKOFF = { baseMs: 20, maxMs: 1_000 };
/** The same for warm connections, for which nobody waits. */
const WARM_BACKOFF = { baseMs: 100, maxMs: 10_000 };

export interface BalancerSettings {
  readonly accrual: AccrualConfig;
  readonly slowStart: SlowStartConfig;
  /** See DestinationConfig. */
  readonly panicThresholdPercent: number;
  /** Sessions that may wait at a time; more are refused. */
  readonly maxWaiters: number;
  /** Warm connections to keep. */
  readonly minConnections: number;
  readonly retryBudget: RetryBudgetSettings;
  /** Connections to one endpoint at a time, in the whole process; Infinity for no limit. */
  readonly maxConnectionsPerEndpoint: number;
  /** What those who wait must tell endpoints of their clients, by `Waiter.preamble`. */
  readonly proxyProtocol?: ClientProxyProtocolConfig | undefined;
}

/** What a balancer is made of. */
export interface BalancerParts {
  /** Id of the destination, for those who ask its connections; default 0. */
  readonly destination?: number;
  readonly settings: BalancerSettings;
  readonly pickers: Pickers;
  readonly connector: Connector;
  readonly metrics: BalancerMetrics;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** What a probe says to the endpoint first of all. */
  readonly probePreamble?: Uint8Array | undefined;
  /** Whether the peer of an idle connection has closed it (see transport/libc.ts). */
  readonly peerHasClosed: (socket: Socket) => boolean;
  /** The last connection to an endpoint that was removed has ended. */
  readonly onReleased: (endpoint: Endpoint, epoch: number) => void;
}

/** A change of the endpoints, applied at once. */
export interface EndpointsUpdate {
  /** False while nothing is resolved: sessions wait instead of being refused. */
  readonly known: boolean;
  /** All branches there are. */
  readonly branches: readonly BranchWeight[];
  readonly added: readonly Endpoint[];
  readonly changed: readonly ({ readonly id: number } & EndpointCondition)[];
  readonly removed: readonly { readonly id: number; readonly epoch: number }[];
}

/** Balances one destination on one worker. */
export class Balancer implements ConnectionContext, WaitSource, WarmSource, ProbeObserver {
  readonly destination: number;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly metrics: BalancerMetrics;
  readonly latencies: Latencies | undefined;
  readonly byClient: boolean;
  readonly retries: RetryQueue;
  readonly limit: EndpointLimit | undefined;
  readonly #parts: BalancerParts;
  readonly #pool: Pool;
  readonly #ejector: Ejector;
  readonly #slowStart: SlowStart;
  readonly #prober: Prober;
  readonly #warm: WarmPool;
  readonly #warmBackoff: Backoff;
  readonly #waits = new Set<Wait>();
  /** Removed endpoints whose connections run on, with the epoch of their removal. */
  readonly #removals = new Map<Endpoint, number>();
  #known = false;
  #panics = false;
  #cancelRefill: Cancel | undefined;

  constructor(parts: BalancerParts) {
    const { settings, clock, rng } = parts;
    this.#parts = parts;
    this.destination = parts.destination ?? 0;
    this.connector = parts.connector;
    this.clock = clock;
    this.metrics = parts.metrics;
    this.latencies = parts.pickers.latencies;
    this.byClient = parts.pickers.byClient;
    this.#pool = new Pool(rng, parts.pickers, settings.panicThresholdPercent);
    this.#slowStart = new SlowStart({
      config: settings.slowStart,
      clock,
      gauge: parts.metrics.ejection.warming,
      onWeight: (endpoint) => this.#pool.reweigh(endpoint),
    });
    const probing = {
      destination: this.destination,
      connector: this.connector,
      clock,
      metrics: this.metrics,
      latencies: this.latencies,
      wantsAnswers: (endpoint: Endpoint) => this.wantsAnswers(endpoint),
      onAnswered: (endpoint: Endpoint) => this.onAnswered(endpoint),
      onUnanswered: (endpoint: Endpoint, how: Unanswered) => this.onUnanswered(endpoint, how),
      // A probe takes no place, so that it leaves none.
      onConnectionEnd: (endpoint: Endpoint) => this.#releaseIfUnused(endpoint),
    };
    this.#prober = new Prober(probing, this, parts.probePreamble);
    this.#ejector = this.#newEjector(parts);
    // A warm connection belongs to no client, so where clients keep their endpoints there can be none.
    const warm = this.byClient ? 0 : settings.minConnections;
    this.#warm = new WarmPool(warm, this, parts.metrics);
    this.#warmBackoff = new Backoff(WARM_BACKOFF, rng);
    const { metrics, log } = parts;
    this.retries = new RetryQueue({
      settings: settings.retryBudget,
      clock,
      metrics: metrics.retryQueue,
      made: metrics.retries,
      log,
    });
    const max = settings.maxConnectionsPerEndpoint;
    this.limit =
      max === Number.POSITIVE_INFINITY
        ? undefined
        : new EndpointLimit({ max, pool: this.#pool, clock, metrics: metrics.placeQueue });
    this.sample();
  }

  /** Endpoints that are resolved now. */
  get size(): number {
    return this.#pool.size;
  }

  /** Makes those metrics current that time changes by itself; to be called about every second. */
  sample(): void {
    this.metrics.retryBudget.set(this.retries.balance);
  }

  /** What endpoints must be told of clients. */
  get proxyProtocol(): ClientProxyProtocolConfig | undefined {
    return this.#parts.settings.proxyProtocol;
  }

  /**
   * Finds a connection for `waiter`, who may be told before this returns. Answers the wait, to be cancelled when the
   * waiter leaves, or undefined when it is over already.
   */
  acquire(waiter: Waiter): Wait | undefined {
    const warm = this.#warm.take();
    if (warm !== undefined) {
      waiter.onEndpoint(warm.connection, warm.socket, warm.early);
      return undefined;
    }
    if (this.#waits.size >= this.#parts.settings.maxWaiters) {
      this.metrics.unavailable.add(1);
      waiter.onRefused("queue_full");
      return undefined;
    }
    const wait = new Wait(this, waiter);
    this.#waits.add(wait);
    this.metrics.waiters.add(1);
    wait.advance();
    return this.#waits.has(wait) ? wait : undefined;
  }

  /** Applies a change of the endpoints. Endpoints that stay keep their load, failures and connections. */
  update(update: EndpointsUpdate): void {
    const startedMs = this.clock.now();
    const wasKnown = this.#known;
    this.#known = update.known;
    const hasNew = this.#apply(update);
    this.#notePanic();
    // Those who wait go first, in the order in which they came. Without anything new to try they stay in their pauses,
    // lest a name that changes often makes a storm of attempts; with nothing to try at all they are refused.
    const isEmpty = update.known && this.#pool.size === 0;
    if (hasNew || isEmpty || (update.known && !wasKnown)) {
      for (const wait of this.#waits) wait.advance();
    }
    this.#warm.refill();
    this.metrics.updateTime.observe((this.clock.now() - startedMs) * 1000);
  }

  /** Ends connections to these endpoints that nobody has yet: warm ones, and those being made, whose waits go on. */
  cut(endpoints: ReadonlySet<number>): void {
    const isCut = ({ endpoint }: EndpointConnection): boolean => endpoints.has(endpoint.id);
    this.#warm.drop(isCut);
    for (const wait of this.#waits) wait.giveUp(isCut);
    this.#warm.refill();
  }

  /** An endpoint that is known here, retired ones included. */
  find(id: number): Endpoint | undefined {
    return this.#pool.find(id);
  }

  /** Makes no connections without a session any more: for the end of the process. Sessions may still acquire. */
  stopIdling(): void {
    this.#warm.stop();
    this.#ejector.stop();
    this.#prober.stop();
    this.#cancelRefill?.();
  }

  // === what waits and the warm pool use ===

  connect(
    observer: ConnectionObserver,
    tried: readonly Endpoint[] = [],
    client = 0,
    preamble?: Uint8Array,
  ): EndpointConnection | undefined {
    const endpoint = (this.limit ?? this.#pool).pickOther(tried, client);
    if (endpoint === undefined) return undefined;
    const connection = new EndpointConnection(this, endpoint, observer);
    connection.start(preamble);
    return connection;
  }

  onNoEndpoint(wait: Wait): void {
    // Endpoints that may not be picked now may come back within the time that the session has.
    if (!this.#known || this.#pool.mayRecover) return;
    this.metrics.unavailable.add(1);
    wait.refuse("no_endpoint");
  }

  newBackoff(): Backoff {
    return new Backoff(ROUND_BACKOFF, this.#parts.rng);
  }

  after(delayMs: number, run: () => void): Cancel {
    return this.clock.after(delayMs, run);
  }

  succeeded({ endpoint }: EndpointConnection): void {
    this.#ejector.connected(endpoint);
    this.#warmBackoff.reset();
  }

  failed({ endpoint }: EndpointConnection, failure: ConnectFailure, detail: string): void {
    this.#logFailure(endpoint, failure, detail);
    // Descriptors that ran out are no fault of the endpoint's.
    if (failure === "descriptors") return;
    endpoint.lastFailure = `${failure}: ${detail}`;
    // Where nobody listens the system says ECONNREFUSED. This one was accepted, and reset before that was noticed here:
    // the next, and a probe, may well stand for a moment.
    this.#ejector.failed(endpoint, detail === "ECONNRESET" ? "early_reset" : failure);
  }

  wantsAnswers(endpoint: Endpoint): boolean {
    return this.#ejector.wantsAnswers(endpoint);
  }

  onAnswered(endpoint: Endpoint): void {
    this.#ejector.answered(endpoint);
  }

  onUnanswered(endpoint: Endpoint, how: Unanswered): void {
    if (how === "silent") return this.#ejector.endedSilently(endpoint);
    this.metrics.ejection.earlyResets.add(1);
    endpoint.lastFailure = "reset before it had sent a byte";
    this.#ejector.failed(endpoint, how);
  }

  onProbed(endpoint: Endpoint): void {
    this.#ejector.probeSucceeded(endpoint);
  }

  onProbeAnswered(endpoint: Endpoint): void {
    this.#ejector.answered(endpoint);
  }

  onProbeFailed(endpoint: Endpoint, failure: ConnectFailure | "early_reset", detail: string): void {
    this.#logFailure(endpoint, failure, detail);
    this.#ejector.probeFailed(endpoint, failure === "descriptors" ? undefined : failure);
  }

  leave(wait: Wait): void {
    if (!this.#waits.delete(wait)) return;
    this.metrics.waiters.add(-1);
    this.retries.leave(wait);
    this.limit?.leave(wait);
  }

  refillLater(): void {
    this.#cancelRefill ??= this.clock.after(this.#warmBackoff.next(), () => {
      this.#cancelRefill = undefined;
      this.#warm.refill();
    });
  }

  peerHasClosed(socket: Socket): boolean {
    return this.#parts.peerHasClosed(socket);
  }

  onConnectionEnd(endpoint: Endpoint): void {
    if (this.limit !== undefined) {
      this.limit.leavePlace(endpoint);
      // Warm connections come after those who wait.
      if (this.limit.isIdle && this.#parts.settings.minConnections > 0) this.refillLater();
    }
    this.#releaseIfUnused(endpoint);
  }

  #releaseIfUnused(endpoint: Endpoint): void {
    if (endpoint.state === "retired" && endpoint.row.ownLoad === 0) this.#release(endpoint);
  }

  // === endpoints ===

  /** Whether anything may be picked now that could not be before. */
  #apply({ branches, added, changed, removed }: EndpointsUpdate): boolean {
    const others = this.#pool.size;
    for (const { id, epoch } of removed) this.#remove(id, epoch);
    let hasNew = this.#pool.setBranches(branches);
    for (const { id, ...condition } of changed) {
      const endpoint = this.#pool.find(id);
      if (endpoint === undefined) continue;
      const couldBe = mayBePicked(endpoint);
      this.#pool.change(endpoint, condition);
      const isBack = !couldBe && mayBePicked(endpoint);
      if (isBack && endpoint.state === "ready") this.#slowStart.recovered(endpoint);
      else if (couldBe && !mayBePicked(endpoint)) {
        this.#slowStart.end(endpoint);
        this.#dropWarm(endpoint);
      }
      hasNew ||= isBack;
    }
    for (const endpoint of added) this.#add(endpoint);
    if (added.length > 0) this.#slowStart.arrived(added, others);
    const panics = this.#pool.settle();
    this.#ejector.keepToShare();
    return hasNew || panics || added.some(mayBePicked);
  }

  #add(endpoint: Endpoint): void {
    this.#removals.delete(endpoint);
    this.#pool.add(endpoint);
  }

  #remove(id: number, epoch: number): void {
    const endpoint = this.#pool.find(id);
    if (endpoint === undefined) return;
    this.#ejector.retired(endpoint);
    this.#pool.retire(endpoint);
    this.#removals.set(endpoint, epoch);
    this.#dropWarm(endpoint);
    this.#releaseIfUnused(endpoint);
  }

  #dropWarm(endpoint: Endpoint): void {
    this.#warm.drop((connection) => connection.endpoint === endpoint);
  }

  #release(endpoint: Endpoint): void {
    const epoch = this.#removals.get(endpoint);
    if (epoch === undefined) return;
    this.#removals.delete(endpoint);
    this.#pool.forget(endpoint);
    this.#parts.onReleased(endpoint, epoch);
  }

  #newEjector({ settings, metrics, log, clock, rng }: BalancerParts): Ejector {
    return new Ejector({
      config: settings.accrual,
      pool: this.#pool,
      slowStart: this.#slowStart,
      clock,
      rng,
      report: new EjectionReport({
        metrics: metrics.ejection,
        log,
        dryRun: settings.accrual.dryRun,
        onChange: () => this.#notePanic(),
      }),
      probe: (endpoint, watch) => this.#prober.probe(endpoint, watch),
    });
  }

  #notePanic(): void {
    const { panics } = this.#pool;
    if (panics === this.#panics) return;
    this.#panics = panics;
    this.metrics.panic.set(panics ? 1 : 0);
    const { log } = this.#parts;
    const fields = () => ({ endpoints: this.#pool.size });
    if (panics) log.warn("too few endpoints are well: those that fail are tried too", fields);
    else log.info("enough endpoints are well again", fields);
  }

  #logFailure(endpoint: Endpoint, failure: string, detail: string): void {
    const { ip, port } = endpoint.target;
    this.#parts.log.debug("connect failed", () => ({ endpoint: `${ip}:${port}`, failure, detail }));
  }
}

function mayBePicked({ weight, healthy, enabled }: EndpointCondition): boolean {
  return weight > 0 && healthy && enabled;
}
