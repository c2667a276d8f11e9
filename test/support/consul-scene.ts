// What the tests of Consul names share: a fake agent, a clock that stands still, and one name that is watched.
import { consulSource } from "../../src/discovery/consul/consul-namer.ts";
import type { HostAnswer } from "../../src/discovery/host-lookup.ts";
import type { LeafSource } from "../../src/discovery/namer.ts";
import type { ConsulNamerConfig } from "../../src/config/namer-types.ts";
import type { Cancel } from "../../src/lib/clock.ts";
import { seededRng } from "../../src/lib/rng.ts";
import type { Resolution } from "../../src/naming/resolution.ts";
import { formatAddress } from "../../src/lib/address.ts";
import type { Logger } from "../../src/telemetry/log.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeConsul } from "./fake-consul.ts";
import { until } from "./until.ts";

export const CONSUL_CONFIG: ConsulNamerConfig = {
  kind: "io.l5d.consul",
  prefix: "/io.l5d.consul",
  baseUrl: "http://127.0.0.1:1",
  includeTag: false,
  useHealthCheck: false,
  healthStatuses: ["passing"],
  token: undefined,
  setHost: false,
  consistencyMode: "default",
  preferServiceAddress: true,
  weights: [],
  transferMetadata: false,
  failoverDatacenters: [],
  tls: undefined,
};

/** Timers up to this are waits for the next query; longer ones are deadlines. */
const LONGEST_WAIT_MS = 6_100;

class WaitClock extends FakeClock {
  /** Waits for the next query that are scheduled now. */
  readonly waits = new Set<number>();

  override after(delayMs: number, run: () => void): Cancel {
    const isWait = delayMs <= LONGEST_WAIT_MS;
    if (isWait) this.waits.add(delayMs);
    const cancel = super.after(delayMs, () => {
      this.waits.delete(delayMs);
      run();
    });
    return () => {
      this.waits.delete(delayMs);
      cancel();
    };
  }
}

/** One name that is watched. Time stands still unless a method says that it lets it pass. */
export class ConsulScene {
  readonly consul = FakeConsul.start();
  readonly clock = new WaitClock();
  readonly reports: Resolution[] = [];
  /** Messages of the level `warn`. */
  readonly warnings: string[] = [];
  /** How many addresses were counted as skipped. */
  skipped = 0;
  readonly latencies: number[] = [];
  /** What host names stand for; others are unknown. */
  readonly hosts = new Map<string, HostAnswer>();
  readonly #abort = new AbortController();

  /** Ends the watch and the agent; gives how many timers are left behind. */
  stop(): number {
    this.#abort.abort();
    this.consul.pause();
    return this.clock.pending;
  }

  abort(): void {
    this.#abort.abort();
  }

  source(rest: Partial<ConsulNamerConfig> = {}): LeafSource {
    const log: Logger = {
      error() {},
      warn: (message) => void this.warnings.push(message),
      info() {},
      debug() {},
      trace() {},
      enabled: () => true,
    };
    return consulSource(
      { ...CONSUL_CONFIG, baseUrl: this.consul.baseUrl, ...rest },
      {
        clock: this.clock,
        rng: seededRng(1),
        log,
        metrics: {
          observeLatency: (ms) => void this.latencies.push(ms),
          skip: (count) => void (this.skipped += count),
        },
        lookup: async (host) => this.hosts.get(host) ?? { state: "unknown" },
      },
    );
  }

  /** `labels`: `dc1/web`. */
  watch(rest: Partial<ConsulNamerConfig> = {}, labels = "dc1/web"): void {
    this.source(rest).watch(labels.split("/"), this.#abort.signal, (it) => {
      this.reports.push(it);
    });
  }

  get last(): Resolution | undefined {
    return this.reports.at(-1);
  }

  /** Addresses of the last answer; undefined when it is not bound. */
  get addresses(): readonly string[] | undefined {
    return this.last?.state === "bound" ? this.last.endpoints.map(formatAddress) : undefined;
  }

  /** Until the last answer has these addresses. */
  bound(...addresses: readonly string[]): Promise<void> {
    return until(`bound to ${addresses}`, () => Bun.deepEquals(this.addresses, addresses));
  }

  reported(state: Resolution["state"]): Promise<void> {
    return until(state, () => this.last?.state === state);
  }

  count(reports: number): Promise<void> {
    return until(`${reports} reports`, () => this.reports.length === reports);
  }

  /** Until so many queries are held back. */
  blocked(queries: number): Promise<void> {
    return until(`${queries} blocked queries`, () => this.consul.blocked === queries);
  }

  /** Until the fake has seen at least so many queries for instances. */
  queried(queries: number): Promise<void> {
    return until(`${queries} queries`, () => this.consul.queries().length >= queries);
  }

  /** Until nothing is under way but one wait for the next query; gives its length. */
  async waiting(): Promise<number> {
    await until("a wait for the next query", () => this.clock.waits.size === 1);
    return [...this.clock.waits][0] ?? 0;
  }

  /** Lets that wait pass, until the query has come; gives its length. */
  async nextQuery(): Promise<number> {
    const waitMs = await this.waiting();
    const count = this.consul.queries().length;
    this.clock.advance(waitMs);
    await this.queried(count + 1);
    return waitMs;
  }

  /** The index that each query named, in their order; undefined for none. */
  get indexes(): readonly (number | undefined)[] {
    return this.consul.queries().map(({ query }) => {
      const index = query.get("index");
      return index === null ? undefined : Number(index);
    });
  }
}
