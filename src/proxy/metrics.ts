// The metrics of one server on one worker.
import type { RouteCase } from "../config/route-types.ts";
import { SERVER_METRICS as DEFINED } from "../telemetry/catalogue/server.ts";
import type { Counter, Gauge, Histogram, MetricDefinition } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";
import { TlsCounters } from "../telemetry/tls-counters.ts";
import { SERVER_TLS_METRICS } from "../telemetry/catalogue/tls.ts";
import { TLS_FAILURES } from "../transport/tls-failure.ts";
import { CLOSE_REASONS, type CloseReason } from "./close-reason.ts";
import type { ProxyHeader } from "./proxy-protocol/header.ts";

const ROUTE_CASES: Readonly<Record<RouteCase, true>> = {
  not_tls: true,
  malformed_hello: true,
  no_server_name: true,
  no_route: true,
  silent: true,
};

type ByCause = Readonly<Record<"timeout" | "other", Counter>>;

export class ServerMetrics {
  readonly accepts: Counter;
  readonly active: Gauge;
  readonly waiters: Gauge;
  readonly connectLatency: Histogram;
  readonly rxBytes: Counter;
  readonly txBytes: Counter;
  readonly connectionRxBytes: Histogram;
  readonly connectionTxBytes: Histogram;
  readonly duration: Histogram;
  handshake: Histogram | undefined;
  handshakeFailures: Counter | undefined;
  tls: TlsCounters | undefined;
  proxyHeaders: Readonly<Record<ProxyHeader["command"], Counter>> | undefined;
  otherwise: Readonly<Record<RouteCase, Counter>> | undefined;
  readonly paused: Gauge;
  readonly #closes: Counter;
  readonly #failures: Counter;
  readonly #connectFailures: ByCause;
  readonly #streamFailures: ByCause;
  readonly #reasons: ReadonlyMap<CloseReason, Counter>;
  readonly #registry: Registry;
  readonly #handles: (Counter | Gauge | Histogram)[] = [];
  readonly #labels: readonly [string, string];

  /**
   * `address` is the bound `ip:port`. The handshake's metrics exist on servers with TLS only, those of PROXY headers only
   * where such are read.
   */
  constructor(
    registry: Registry,
    router: string,
    address: string,
    tls: boolean,
    readsHeaders = false,
    chooses = false,
  ) {
    this.#registry = registry;
    this.#labels = [router, address];
    const counter = this.#counter.bind(this);
    const gauge = (definition: MetricDefinition): Gauge =>
      this.#keep(registry.gauge(definition, router, address));
    const histogram = this.#histogram.bind(this);
    const byCause = (definition: MetricDefinition): ByCause => ({
      timeout: counter(definition, "timeout"),
      other: counter(definition, "other"),
    });
    this.accepts = counter(DEFINED.accepts);
    this.active = gauge(DEFINED.active);
    this.waiters = gauge(DEFINED.waiters);
    this.connectLatency = histogram(DEFINED.connectLatency);
    this.rxBytes = counter(DEFINED.rxBytes);
    this.txBytes = counter(DEFINED.txBytes);
    this.connectionRxBytes = histogram(DEFINED.connectionRxBytes);
    this.connectionTxBytes = histogram(DEFINED.connectionTxBytes);
    this.duration = histogram(DEFINED.duration);
    this.expect(tls, readsHeaders, chooses);
    this.paused = gauge(DEFINED.paused);
    this.#closes = counter(DEFINED.closes);
    this.#failures = counter(DEFINED.failures);
    this.#connectFailures = byCause(DEFINED.connectFailures);
    this.#streamFailures = byCause(DEFINED.streamFailures);
    this.#reasons = new Map(
      (Object.keys(CLOSE_REASONS) as CloseReason[]).map((reason) => [
        reason,
        counter(DEFINED.closeReasons, reason),
      ]),
    );
  }

  /** Makes what is needed for sessions with TLS, with headers, or on a server that chooses; what is there already stays. */
  expect(tls: boolean, readsHeaders: boolean, chooses: boolean): void {
    if (tls) {
      this.handshake ??= this.#histogram(DEFINED.handshake);
      this.handshakeFailures ??= this.#counter(DEFINED.handshakeFailures);
      this.tls ??= this.#tlsCounters();
    }
    if (readsHeaders) {
      this.proxyHeaders ??= {
        proxy: this.#counter(DEFINED.proxyHeaders, "proxy"),
        local: this.#counter(DEFINED.proxyHeaders, "local"),
      };
    }
    if (chooses) this.otherwise ??= this.#casesOf();
  }

  /** Ends all series; nothing may be counted afterwards. */
  release(): void {
    for (const handle of this.#handles) this.#registry.release(handle);
    this.tls?.release();
  }

  /** Counts the end of a session; `streaming` says whether an endpoint had been in hand. */
  ended(reason: CloseReason, streaming: boolean, rxBytes: number, txBytes: number): void {
    this.connectionRxBytes.observe(rxBytes);
    this.connectionTxBytes.observe(txBytes);
    const { outcome, cause } = CLOSE_REASONS[reason];
    this.#reasons.get(reason)?.add(1);
    if (outcome === "close") return this.#closes.add(1);
    this.#failures.add(1);
    (streaming ? this.#streamFailures : this.#connectFailures)[cause].add(1);
  }

  #tlsCounters(): TlsCounters {
    const counters = new TlsCounters(this.#registry, SERVER_TLS_METRICS, this.#labels);
    counters.expect(Object.keys(TLS_FAILURES));
    return counters;
  }

  #casesOf(): Readonly<Record<RouteCase, Counter>> {
    const counters = Object.keys(ROUTE_CASES).map((name) => [
      name,
      this.#counter(DEFINED.otherwise, name),
    ]);
    return Object.fromEntries(counters) as Record<RouteCase, Counter>;
  }

  #counter(definition: MetricDefinition, ...first: readonly string[]): Counter {
    return this.#keep(this.#registry.counter(definition, ...first, ...this.#labels));
  }

  #histogram(definition: MetricDefinition): Histogram {
    return this.#keep(this.#registry.histogram(definition, ...this.#labels));
  }

  #keep<Handle extends Counter | Gauge | Histogram>(handle: Handle): Handle {
    this.#handles.push(handle);
    return handle;
  }
}
