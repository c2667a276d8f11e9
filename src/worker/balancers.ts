// The balancers of one worker: made as the control thread says, with endpoints that share its table.
import { placeOf } from "../balancer/aperture.ts";
import { Balancer } from "../balancer/balancer.ts";
import { Endpoint } from "../balancer/endpoint.ts";
import { BalancerMetrics } from "../balancer/metrics.ts";
import { createPickers } from "../balancer/pickers.ts";
import { probeHeader } from "../proxy/proxy-protocol/outgoing.ts";
import { EndpointSlots } from "../telemetry/endpoint-slots.ts";
import { EndpointRow } from "../telemetry/endpoint-table.ts";
import { labelled } from "../telemetry/log.ts";
import { descriptorOf } from "../transport/bun.ts";
import { ClientTls } from "../transport/client-tls.ts";
import { connectTarget, SocketConnector } from "../transport/connector.ts";
import { libc } from "../transport/libc.ts";
import type {
  AddDestination,
  CutConnections,
  EndpointPage,
  EndpointSpec,
  UpdateEndpoints,
} from "../wire/messages.ts";
import type { WorkerParts } from "./parts.ts";

export class Balancers {
  readonly #parts: WorkerParts;
  readonly #pages = new Map<number, { readonly cells: Float64Array; readonly slots: Int32Array }>();
  readonly #balancers = new Map<number, Balancer>();
  readonly #clientTls = new ClientTls();

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  addPage({ page, buffer, slots }: EndpointPage): void {
    this.#pages.set(page, { cells: new Float64Array(buffer), slots: new Int32Array(slots) });
  }

  /** Makes the balancer of a destination. */
  add({ destination, router, path, config }: AddDestination): Balancer {
    const { clock, rng, logger, send, hostName, registry, onFault } = this.#parts;
    const place = (): number => placeOf(hostName(), path);
    const tls =
      config.tls === undefined
        ? undefined
        : this.#clientTls.options(config.tls.dnsName, config.tls.trustPem);
    const balancer = new Balancer({
      destination,
      settings: config,
      probePreamble: config.proxyProtocol && probeHeader(config.proxyProtocol),
      pickers: createPickers(config.loadBalancer, { clock, rng, place }),
      connector: new SocketConnector(
        tls,
        config.connectTimeoutMs,
        clock,
        onFault,
        config.socketOptions,
      ),
      metrics: new BalancerMetrics(registry, router, path),
      clock,
      rng,
      log: labelled(logger("balancer"), { rt: router, dst: path }),
      peerHasClosed: (socket) => libc?.peerHasClosed(descriptorOf(socket)) ?? false,
      onReleased: ({ id }, epoch) => send({ type: "released", id, epoch }),
    });
    this.#balancers.set(destination, balancer);
    return balancer;
  }

  /** Applies a change of the endpoints of a destination. */
  update({ destination, added, ...change }: UpdateEndpoints): void {
    const balancer = this.#balancers.get(destination);
    balancer?.update({ ...change, added: added.map((spec) => this.#endpoint(balancer, spec)) });
  }

  /** Makes those metrics current that time changes by itself; to be called about every second. */
  sample(): void {
    for (const balancer of this.#balancers.values()) balancer.sample();
  }

  /** Ends connections to endpoints that no session has yet: warm ones, and those being made. */
  cut({ destination, endpoints }: CutConnections): void {
    this.#balancers.get(destination)?.cut(new Set(endpoints));
  }

  /** Makes no connections without a session any more: for the end of the process. */
  stopIdling(): void {
    for (const balancer of this.#balancers.values()) balancer.stopIdling();
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
    const cells = this.#pages.get(page)?.cells ?? new Float64Array(0);
    const slots = balancer.limit !== undefined ? this.#pages.get(page)?.slots : undefined;
    return new Endpoint({
      id,
      branch,
      target: connectTarget(ip, port),
      weight,
      healthy,
      enabled,
      row: new EndpointRow(cells, row, worker, workers),
      slots: slots && new EndpointSlots(slots, row, worker, workers),
    });
  }
}
