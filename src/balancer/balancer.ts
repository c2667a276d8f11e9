// Gives sessions their connections to endpoints: joins the pool, outcomes, warm connections and those who wait.
import { Backoff } from "../lib/backoff.ts";
import type { ClientProxyProtocolConfig } from "../config/types.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { sameData } from "../lib/same-data.ts";
import type { Logger } from "../telemetry/log.ts";
import type { TlsOptions } from "../transport/bun.ts";
import type { ConnectFailure, Connector } from "../transport/connector.ts";
import type { Socket } from "../transport/socket.ts";
import {
  type ConnectionContext,
  type ConnectionObserver,
  EndpointConnection,
} from "./connection.ts";
import type { Endpoint, EndpointCondition } from "./endpoint.ts";
import { EndpointLimit } from "./endpoint-limit.ts";
import type { EndpointsUpdate } from "./endpoints-update.ts";
import { FailureOrder } from "./failure-order.ts";
import type { BalancerMetrics } from "./metrics.ts";
import { Outcomes, type OutcomeSettings } from "./outcomes.ts";
import type { Pickers } from "./pickers.ts";
import { Pool } from "./pool.ts";
import type { RetryBudgetSettings } from "./retry-budget.ts";
import { RetryQueue } from "./retry-queue.ts";
import { Wait, type Waiter, type WaitSource } from "./wait.ts";
import { WarmPool, type WarmSource } from "./warm-pool.ts";

/** Delays between two rounds over endpoints that all failed. */
const ROUND_BACKOFF = { baseMs: 20, maxMs: 1_000 };
/** The same for warm connections, for which nobody waits. */
const WARM_BACKOFF = { baseMs: 100, maxMs: 10_000 };

export interface BalancerSettings extends OutcomeSettings {
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

/** What may change about a balancer while it runs. */
export interface BalancerSetup {
  readonly settings: BalancerSettings;
  readonly pickers: Pickers;
  readonly connector: Connector;
  /** What a probe says to the endpoint first of all. */
  readonly probePreamble?: Uint8Array | undefined;
}

/** What a balancer is made of. */
export interface BalancerParts extends BalancerSetup {
  /** Id of the destination, for those who ask its connections; default 0. */
  readonly destination?: number;
  readonly metrics: BalancerMetrics;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Whether the peer of an idle connection has closed it (see transport/libc.ts). */
  readonly peerHasClosed: (socket: Socket) => boolean;
  /** The last connection to an endpoint that was removed has ended. */
  readonly onReleased: (endpoint: Endpoint, epoch: number) => void;
}

/** Balances one destination on one worker. */
export class Balancer implements WaitSource, WarmSource {
  readonly clock: Clock;
  readonly metrics: BalancerMetrics;
  readonly retries: RetryQueue;
  readonly #parts: Omit<BalancerParts, keyof BalancerSetup>;
  #setup: BalancerSetup;
  /** Of new connections. One that was begun keeps its own: what it speaks, and who counts its waits. */
  #connecting: ConnectionContext;
  #limit: EndpointLimit | undefined;
  readonly #pool: Pool;
  readonly #outcomes: Outcomes;
  readonly #failures: FailureOrder;
  readonly #warm: WarmPool;
  readonly #warmBackoff: Backoff;
  readonly #waits = new Set<Wait>();
  /** Removed endpoints whose connections run on, with the epoch of their removal. */
  readonly #removals = new Map<Endpoint, number>();
  #known = false;
  #onEmpty: (() => void) | undefined;
  #cancelRefill: Cancel | undefined;

  constructor(parts: BalancerParts) {
    const { settings, pickers, clock, rng, metrics, log } = parts;
    this.#parts = parts;
    this.#setup = parts;
    this.clock = clock;
    this.metrics = metrics;
    this.#pool = new Pool(rng, pickers, settings.panicThresholdPercent);
    this.#outcomes = new Outcomes({ settings, pool: this.#pool, metrics, log, clock, rng });
    this.#failures = new FailureOrder(this.#pool);
    this.#connecting = this.#connectBy(parts);
    this.#warm = new WarmPool(warmTarget(parts), this, metrics);
    this.#warmBackoff = new Backoff(WARM_BACKOFF, rng);
    this.retries = new RetryQueue({
      settings: settings.retryBudget,
      clock,
      metrics: metrics.retryQueue,
      made: metrics.retries,
      log,
    });
    this.#setLimit(settings.maxConnectionsPerEndpoint);
    this.sample();
  }

  /** Endpoints that are resolved now. */
  get size(): number {
    return this.#pool.size;
  }

  /** Sessions that wait for a connection. */
  get waiting(): number {
    return this.#waits.size;
  }

  /** Undefined where endpoints have no limit. */
  get limit(): EndpointLimit | undefined {
    return this.#limit;
  }

  /** Id of its destination. */
  get destination(): number {
    return this.#parts.destination ?? 0;
  }

  /** What endpoints must be told of clients. */
  get proxyProtocol(): ClientProxyProtocolConfig | undefined {
    return this.#setup.settings.proxyProtocol;
  }

  get byClient(): boolean {
    return this.#setup.pickers.byClient;
  }

  /** Makes those metrics current that time changes by itself; to be called about every second. */
  sample(): void {
    this.metrics.retryBudget.set(this.retries.balance);
  }

  /**
   * What begins from now on follows `setup`; what runs keeps what it began with. Endpoints keep their loads, failures
   * and ejections, also when they are chosen in another way; the same `pickers` go on as they are.
   */
  reconfigure(setup: BalancerSetup): void {
    const before = this.#setup;
    const { settings, pickers } = setup;
    this.#setup = setup;
    this.#connecting = this.#connectBy(setup);
    if (pickers !== before.pickers) this.#pool.setPickers(pickers);
    this.#outcomes.reconfigure(settings);
    this.retries.setSettings(settings.retryBudget);
    this.#setLimit(settings.maxConnectionsPerEndpoint);
    if (!sameTls(setup.connector.tls, before.connector.tls)) this.#warm.renew();
    this.#warm.setTarget(warmTarget(setup));
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
    if (this.#waits.size >= this.#setup.settings.maxWaiters) {
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
    this.#outcomes.notePanic();
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
    this.#outcomes.stop();
    this.#cancelRefill?.();
  }

  /** Calls `onEmpty` once no endpoint is left, retired ones included: nothing is counted any more from then on. */
  onceEmpty(onEmpty: () => void): void {
    if (this.#removals.size === 0 && this.#pool.size === 0) return onEmpty();
    this.#onEmpty = onEmpty;
  }

  // === what waits and the warm pool use ===

  connect(
    observer: ConnectionObserver,
    tried: readonly Endpoint[] = [],
    client = 0,
    preamble?: Uint8Array,
  ): EndpointConnection | undefined {
    const endpoint = (this.#limit ?? this.#pool).pickOther(tried, client);
    if (endpoint === undefined) return undefined;
    const connection = new EndpointConnection(this.#connecting, endpoint, observer);
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
    this.#outcomes.connected(endpoint);
    this.#warmBackoff.reset();
  }

  failed({ endpoint }: EndpointConnection, failure: ConnectFailure, detail: string): void {
    if (failure !== "descriptors") this.#failures.note(endpoint);
    this.#outcomes.failed(endpoint, failure, detail);
  }

  stillTried(tried: readonly Endpoint[]): Endpoint[] {
    return this.#failures.stillTried(tried);
  }

  leave(wait: Wait): void {
    if (!this.#waits.delete(wait)) return;
    this.metrics.waiters.add(-1);
    this.retries.leave(wait);
    this.#limit?.leave(wait);
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

  // === connections and endpoints ===

  /** How connections are made from now on, probes too. */
  #connectBy({ connector, pickers, probePreamble }: BalancerSetup): ConnectionContext {
    const outcomes = this.#outcomes;
    const context: ConnectionContext = {
      destination: this.destination,
      connector,
      clock: this.clock,
      metrics: this.metrics,
      latencies: pickers.latencies,
      wantsAnswers: (endpoint) => outcomes.wantsAnswers(endpoint),
      onAnswered: (endpoint) => outcomes.answered(endpoint),
      onUnanswered: (endpoint, how) => outcomes.unanswered(endpoint, how),
      onConnectionEnd: (endpoint) => this.#onConnectionEnd(endpoint),
    };
    // A probe takes no place, so that it leaves none.
    const onConnectionEnd = (endpoint: Endpoint): void => this.#releaseIfUnused(endpoint);
    outcomes.probeWith({ ...context, onConnectionEnd }, probePreamble);
    return context;
  }

  #setLimit(max: number): void {
    if (this.#limit !== undefined) return this.#limit.setMax(max);
    if (max === Number.POSITIVE_INFINITY) return;
    const { clock, metrics } = this;
    this.#limit = new EndpointLimit({ max, pool: this.#pool, clock, metrics: metrics.placeQueue });
  }

  #onConnectionEnd(endpoint: Endpoint): void {
    if (this.#limit !== undefined) {
      this.#limit.leavePlace(endpoint);
      // Warm connections come after those who wait.
      if (this.#limit.isIdle && this.#setup.settings.minConnections > 0) this.refillLater();
    }
    this.#releaseIfUnused(endpoint);
  }

  #releaseIfUnused(endpoint: Endpoint): void {
    if (endpoint.state === "retired" && endpoint.row.ownLoad === 0) this.#release(endpoint);
  }

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
      if (isBack) this.#outcomes.recovered(endpoint);
      else if (couldBe && !mayBePicked(endpoint)) {
        this.#outcomes.lost(endpoint);
        this.#dropWarm(endpoint);
      }
      hasNew ||= isBack;
    }
    for (const endpoint of added) this.#add(endpoint);
    this.#outcomes.arrived(added, others);
    const panics = this.#outcomes.settle();
    return hasNew || panics || added.some(mayBePicked);
  }

  #add(endpoint: Endpoint): void {
    this.#removals.delete(endpoint);
    this.#pool.add(endpoint);
  }

  #remove(id: number, epoch: number): void {
    const endpoint = this.#pool.find(id);
    if (endpoint === undefined) return;
    this.#outcomes.retired(endpoint);
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
    if (this.#removals.size === 0 && this.#pool.size === 0) this.#onEmpty?.();
  }
}

/** A warm connection belongs to no client, so where clients keep their endpoints there can be none. */
function warmTarget({ settings, pickers }: BalancerSetup): number {
  return pickers.byClient ? 0 : settings.minConnections;
}

function sameTls(a: TlsOptions | undefined, b: TlsOptions | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.secureContext !== b.secureContext || a.serverName !== b.serverName) return false;
  return sameData(a.ALPNProtocols, b.ALPNProtocols);
}

function mayBePicked({ weight, healthy, enabled }: EndpointCondition): boolean {
  return weight > 0 && healthy && enabled;
}
