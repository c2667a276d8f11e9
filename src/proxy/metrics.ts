// The metrics of one server on one worker.
import { SERVER_METRICS as DEFINED } from "../telemetry/catalogue/server.ts";
import type { Counter, Gauge, Histogram } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";
import { CLOSE_REASONS, type CloseReason } from "./close-reason.ts";
import type { ProxyHeader } from "./proxy-protocol/header.ts";

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
  readonly handshake: Histogram | undefined;
  readonly handshakeFailures: Counter | undefined;
  readonly proxyHeaders: Readonly<Record<ProxyHeader["command"], Counter>> | undefined;
  readonly paused: Gauge;
  readonly #closes: Counter;
  readonly #failures: Counter;
  readonly #connectFailures: ByCause;
  readonly #streamFailures: ByCause;
  readonly #reasons: ReadonlyMap<CloseReason, Counter>;

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
  ) {
    const counter = (definition: Parameters<Registry["counter"]>[0], ...first: string[]) =>
      registry.counter(definition, ...first, router, address);
    const gauge = (definition: Parameters<Registry["gauge"]>[0]) =>
      registry.gauge(definition, router, address);
    const histogram = (definition: Parameters<Registry["histogram"]>[0]) =>
      registry.histogram(definition, router, address);
    const byCause = (definition: Parameters<Registry["counter"]>[0]): ByCause => ({
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
    this.handshake = tls ? histogram(DEFINED.handshake) : undefined;
    this.handshakeFailures = tls ? counter(DEFINED.handshakeFailures) : undefined;
    this.proxyHeaders = readsHeaders
      ? {
          proxy: counter(DEFINED.proxyHeaders, "proxy"),
          local: counter(DEFINED.proxyHeaders, "local"),
        }
      : undefined;
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
}
