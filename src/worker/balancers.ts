// The balancers of one worker: made as the control thread says, with endpoints that share its table.
import { Balancer, type BalancerSetup } from "../balancer/balancer.ts";
import { Endpoint } from "../balancer/endpoint.ts";
import { BalancerMetrics } from "../balancer/metrics.ts";
import { p2cPickers } from "../balancer/p2c.ts";
import type { Pickers } from "../balancer/pickers.ts";
import type { DestinationConfig, LoadBalancerConfig } from "../config/types.ts";
import { sameData } from "../lib/same-data.ts";
import { probeHeader } from "../proxy/proxy-protocol/outgoing.ts";
import { EndpointSlots } from "../telemetry/endpoint-slots.ts";
import { EndpointRow } from "../telemetry/endpoint-table.ts";
import { labelled } from "../telemetry/log.ts";
import { descriptorOf, type TlsOptions } from "../transport/bun.ts";
import { connectTarget, type Connector, SocketConnector } from "../transport/connector.ts";
import { libc } from "../transport/libc.ts";
import type {
  AddDestination,
  ConfigureDestination,
  CutConnections,
  EndpointPage,
  EndpointSpec,
  RemoveDestination,
  UpdateEndpoints,
} from "../wire/messages.ts";
import type { EndpointTls } from "./endpoint-tls.ts";
import type { WorkerParts } from "./parts.ts";

const NO_PAGE = { cells: new Float64Array(0), slots: new Int32Array(0) };

/** A destination on this worker. */
interface Entry {
  readonly router: string;
  readonly path: string;
  readonly balancer: Balancer;
  config: DestinationConfig;
  setup: BalancerSetup;
  /** Servers, and sessions with settings of before, that may still ask for connections. */
  holders: number;
  /** The endpoints to retire once nobody asks any more; undefined while the destination is there. */
  removal: RemoveDestination["removed"] | undefined;
}

export class Balancers {
  readonly #parts: WorkerParts;
  readonly #pages = new Map<number, { readonly cells: Float64Array; readonly slots: Int32Array }>();
  readonly #entries = new Map<number, Entry>();
  #endpointTls: EndpointTls | undefined;
  readonly #onRemoved: (router: string, destination: number) => void;

  /** `onRemoved` is told of a destination that was removed and has ended its last session. */
  constructor(parts: WorkerParts, onRemoved: (router: string, destination: number) => void) {
    this.#parts = parts;
    this.#onRemoved = onRemoved;
  }

  addPage({ page, buffer, slots }: EndpointPage): void {
    this.#pages.set(page, { cells: new Float64Array(buffer), slots: new Int32Array(slots) });
  }

  /** Makes the balancer of a destination, or takes one back that is being removed. */
  add({ destination, router, path, config }: AddDestination): {
    readonly balancer: Balancer;
    readonly isNew: boolean;
  } {
    const known = this.#entries.get(destination);
    if (known !== undefined) {
      this.#takeBack(known, config);
      return { balancer: known.balancer, isNew: false };
    }
    const { clock, rng, logger, send, registry } = this.#parts;
    const metrics = new BalancerMetrics(registry, router, path);
    const setup = this.#setupOf(config, path, metrics);
    const balancer = new Balancer({
      ...setup,
      destination,
      metrics,
      clock,
      rng,
      log: labelled(logger("balancer"), { rt: router, dst: path }),
      peerHasClosed: (socket) => libc?.peerHasClosed(descriptorOf(socket)) ?? false,
      onReleased: ({ id }, epoch) => send({ type: "released", id, epoch }),
    });
    const entry = { router, path, balancer, config, setup, holders: 0, removal: undefined };
    this.#entries.set(destination, entry);
    return { balancer, isNew: true };
  }

  /** The destinations of a router, those that are being removed left out. */
  *ofRouter(
    label: string,
  ): Generator<readonly [path: string, destination: number, balancer: Balancer]> {
    for (const [destination, { router, path, balancer, removal }] of this.#entries) {
      if (router === label && removal === undefined) yield [path, destination, balancer];
    }
  }

  /** New connections of the destination are made in this way. */
  configure({ destination, config }: Omit<ConfigureDestination, "type">): void {
    const entry = this.#entries.get(destination);
    if (entry === undefined) return;
    entry.setup = this.#setupOf(config, entry.path, entry.balancer.metrics, entry);
    entry.config = config;
    entry.balancer.reconfigure(entry.setup);
  }

  /** The destination goes when nobody holds it, and its last connection has ended. */
  remove({ destination, removed }: RemoveDestination): void {
    const entry = this.#entries.get(destination);
    if (entry === undefined) return;
    entry.removal = removed;
    const { setup } = entry;
    entry.balancer.reconfigure({ ...setup, settings: { ...setup.settings, minConnections: 0 } });
    this.#removeUnused(destination, entry);
  }

  /** Keeps a destination for those who will ask for connections. Returns what ends that, to be called once. */
  hold(destination: number): () => void {
    const entry = this.#entries.get(destination);
    if (entry === undefined) return () => {};
    entry.holders += 1;
    return () => {
      entry.holders -= 1;
      this.#removeUnused(destination, entry);
    };
  }

  /** Applies a change of the endpoints of a destination. */
  update({ destination, added, ...change }: UpdateEndpoints): void {
    const balancer = this.#entries.get(destination)?.balancer;
    balancer?.update({ ...change, added: added.map((spec) => this.#endpoint(balancer, spec)) });
  }

  /** Makes those metrics current that time changes by itself; to be called about every second. */
  sample(): void {
    for (const { balancer } of this.#entries.values()) balancer.sample();
  }

  /** Ends connections to endpoints that no session has yet: warm ones, and those being made. */
  cut({ destination, endpoints }: CutConnections): void {
    this.#entries.get(destination)?.balancer.cut(new Set(endpoints));
  }

  /** Makes no connections without a session any more: for the end of the process. */
  stopIdling(): void {
    for (const { balancer } of this.#entries.values()) balancer.stopIdling();
  }

  /** What `config` asks for. Pickers that choose as before stay, with what they know. */
  #setupOf(
    config: DestinationConfig,
    path: string,
    metrics: BalancerMetrics,
    before?: Pick<Entry, "config" | "setup">,
  ): BalancerSetup {
    const keeps = before !== undefined && sameData(before.config.loadBalancer, config.loadBalancer);
    return {
      settings: config,
      probePreamble: config.proxyProtocol && probeHeader(config.proxyProtocol),
      pickers: keeps ? before.setup.pickers : this.#pickersOf(config.loadBalancer, path),
      connector: this.#connectorOf(config, metrics),
    };
  }

  #pickersOf(config: LoadBalancerConfig, path: string): Pickers {
    const { rng, features } = this.#parts;
    if (config.kind === "p2c") return p2cPickers(rng);
    return features.get("pickers").pickersOf(config, path, this.#parts);
  }

  #connectorOf(
    { tls, connectTimeoutMs, socketOptions }: DestinationConfig,
    metrics: BalancerMetrics,
  ): Connector {
    const { clock, onFault, features } = this.#parts;
    const watch = tls && {
      handshakes: metrics.tls,
      needsCloseNotify: tls.closeNotify === "required",
    };
    const connect = (options: TlsOptions | undefined): Connector =>
      new SocketConnector(options, connectTimeoutMs, clock, onFault, socketOptions, watch);
    if (tls === undefined) return connect(undefined);
    this.#endpointTls ??= new (features.get("clientTls").EndpointTls)();
    return this.#endpointTls.connector(tls, connect);
  }

  #takeBack(entry: Entry, config: DestinationConfig): void {
    const { removal: removed = [], balancer } = entry;
    entry.removal = undefined;
    // Those that are still resolved come back with the next update.
    balancer.update({ known: false, branches: [], added: [], changed: [], removed });
    entry.setup = this.#setupOf(config, entry.path, entry.balancer.metrics, entry);
    entry.config = config;
    balancer.reconfigure(entry.setup);
  }

  #removeUnused(destination: number, entry: Entry): void {
    const { removal: removed, balancer, holders } = entry;
    if (removed === undefined || holders > 0) return;
    balancer.update({ known: true, branches: [], added: [], changed: [], removed });
    balancer.onceEmpty(() => {
      // It may have been taken back meanwhile.
      if (entry.removal === undefined || this.#entries.get(destination) !== entry) return;
      this.#entries.delete(destination);
      balancer.metrics.release();
      this.#onRemoved(entry.router, destination);
    });
  }

  /** A new endpoint, or the one that was retired and has come back. */
  #endpoint(balancer: Balancer, spec: EndpointSpec): Endpoint {
    const { id, branch, ip, port, weight, healthy, enabled, page, row } = spec;
    const known = balancer.find(id);
    if (known !== undefined) {
      known.fullWeight = weight;
      known.healthy = healthy;
      known.enabled = enabled;
      return known;
    }
    const { worker, workers } = this.#parts.start;
    const { cells, slots } = this.#pages.get(page) ?? NO_PAGE;
    return new Endpoint({
      id,
      branch,
      target: connectTarget(ip, port),
      weight,
      healthy,
      enabled,
      row: new EndpointRow(cells, row, worker, workers),
      slots: new EndpointSlots(slots, row, worker, workers),
    });
  }
}
