// What namerd counts.
import { NAMERD_METRICS } from "../telemetry/catalogue/process.ts";
import type { Counter, Gauge } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { Endpoint } from "./http/exchange.ts";
import type { WriteResult } from "./store.ts";

/** Handles, made when a combination is first seen: there are few. */
export class NamerdMetrics {
  readonly connections: Gauge;
  readonly refusedConnections: Counter;
  readonly namespaces: Gauge;
  readonly #registry: Registry;
  readonly #requests = new Map<string, Counter>();
  readonly #watchers = new Map<Endpoint, Gauge>();
  readonly #writes = new Map<string, Counter>();

  constructor(registry: Registry) {
    this.#registry = registry;
    this.connections = registry.gauge(NAMERD_METRICS.connections);
    this.refusedConnections = registry.counter(NAMERD_METRICS.refusedConnections);
    this.namespaces = registry.gauge(NAMERD_METRICS.namespaces);
  }

  /** Counts an answer, when its head is sent. */
  countRequest(endpoint: Endpoint, status: number): void {
    const labels = [endpoint, String(status)] as const;
    const make = (): Counter => this.#registry.counter(NAMERD_METRICS.requests, ...labels);
    memo(this.#requests, labels.join(), make).add(1);
  }

  /** Clients that watch this endpoint now. */
  watchers(endpoint: Endpoint): Gauge {
    const make = (): Gauge => this.#registry.gauge(NAMERD_METRICS.watchers, endpoint);
    return memo(this.#watchers, endpoint, make);
  }

  countWrite(result: WriteResult["how"]): void {
    const make = (): Counter => this.#registry.counter(NAMERD_METRICS.writes, result);
    memo(this.#writes, result, make).add(1);
  }
}

function memo<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
