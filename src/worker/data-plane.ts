// One worker's part of the proxy: applies what the control thread says, owns servers, routers and balancers.
import { placeOf } from "../balancer/aperture.ts";
import { Balancer } from "../balancer/balancer.ts";
import { Endpoint } from "../balancer/endpoint.ts";
import { BalancerMetrics } from "../balancer/metrics.ts";
import { createPickers } from "../balancer/pickers.ts";
import { formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { Descriptors } from "../proxy/descriptors.ts";
import { ServerMetrics } from "../proxy/metrics.ts";
import { IncomingRule } from "../proxy/proxy-protocol/incoming.ts";
import { probeHeader } from "../proxy/proxy-protocol/outgoing.ts";
import { Server } from "../proxy/server.ts";
import { RouterMetrics } from "../router/metrics.ts";
import { Router } from "../router/router.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { EndpointSlots } from "../telemetry/endpoint-slots.ts";
import { EndpointRow } from "../telemetry/endpoint-table.ts";
import { labelled, type LoggerFactory } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { descriptorOf } from "../transport/bun.ts";
import { ClientTls } from "../transport/client-tls.ts";
import { connectTarget, SocketConnector } from "../transport/connector.ts";
import { libc } from "../transport/libc.ts";
import { Listener } from "../transport/listener.ts";
import { createServerTls } from "../transport/server-tls.ts";
import { createStartTls } from "../transport/server-upgrade.ts";
import type {
  AddDestination,
  AddServer,
  EndpointPage,
  EndpointSpec,
  ToControl,
  ToWorker,
  UpdateEndpoints,
  WorkerStart,
} from "../wire/messages.ts";

const LAG_PERIOD_MS = 1_000;

/** What a data plane is given. */
export interface DataPlaneParts {
  readonly start: WorkerStart;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly logger: LoggerFactory;
  readonly send: (message: ToControl) => void;
  readonly hostName: () => string;
}

export class DataPlane {
  readonly #parts: DataPlaneParts;
  readonly #registry: Registry;
  readonly #descriptors: Descriptors;
  readonly #pages = new Map<number, { readonly cells: Float64Array; readonly slots: Int32Array }>();
  readonly #routers = new Map<string, Router>();
  readonly #balancers = new Map<number, Balancer>();
  readonly #servers: Server[] = [];
  readonly #clientTls = new ClientTls();

  constructor(parts: DataPlaneParts) {
    this.#parts = parts;
    this.#registry = new Registry((event) => parts.send({ type: "metrics", event }));
    this.#descriptors = new Descriptors(parts.start.maxDescriptors);
    this.#watchLoopLag();
  }

  /** Applies a message of the control thread. */
  apply(message: Exclude<ToWorker, WorkerStart>): void {
    switch (message.type) {
      case "endpoint-page":
        return this.#addPage(message);
      case "add-destination":
        return this.#addDestination(message);
      case "update-endpoints":
        return this.#updateEndpoints(message);
      case "add-server":
        return this.#addServer(message);
      case "confirm":
        return this.#parts.send({ type: "confirmed" });
      case "drain":
        return this.#drain();
      case "destroy":
        for (const server of this.#servers) server.destroySessions("shutdown");
        return;
      default:
        return message satisfies never;
    }
  }

  #addPage({ page, buffer, slots }: EndpointPage): void {
    this.#pages.set(page, { cells: new Float64Array(buffer), slots: new Int32Array(slots) });
  }

  #addDestination({ destination, router, path, config }: AddDestination): void {
    const { clock, rng, logger, send, hostName } = this.#parts;
    const place = (): number => placeOf(hostName(), path);
    const tls =
      config.tls === undefined
        ? undefined
        : this.#clientTls.options(config.tls.dnsName, config.tls.trustPem);
    const balancer = new Balancer({
      settings: config,
      probePreamble: config.proxyProtocol && probeHeader(config.proxyProtocol),
      pickers: createPickers(config.loadBalancer, { clock, rng, place }),
      connector: new SocketConnector(tls, config.connectTimeoutMs, clock, (error) =>
        this.#onFault(error),
      ),
      metrics: new BalancerMetrics(this.#registry, router, path),
      clock,
      rng,
      log: labelled(logger("balancer"), { rt: router, dst: path }),
      peerHasClosed: (socket) => libc?.peerHasClosed(descriptorOf(socket)) ?? false,
      onReleased: ({ id }, epoch) => send({ type: "released", id, epoch }),
    });
    this.#balancers.set(destination, balancer);
    this.#router(router).add(destination, balancer);
  }

  #updateEndpoints({ destination, added, ...change }: UpdateEndpoints): void {
    const balancer = this.#balancers.get(destination);
    balancer?.update({ ...change, added: added.map((spec) => this.#endpoint(balancer, spec)) });
  }

  /** A new endpoint, or the one that was retired and has come back. */
  #endpoint(balancer: Balancer, spec: EndpointSpec): Endpoint {
    const { id, branch, ip, port, weight, page, row } = spec;
    const known = balancer.find(id);
    if (known !== undefined) {
      known.weight = weight;
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
      row: new EndpointRow(cells, row, worker, workers),
      slots: slots && new EndpointSlots(slots, row, worker, workers),
    });
  }

  #addServer(message: AddServer): void {
    const { clock, rng, logger, start } = this.#parts;
    const { router, ip, port, tls, proxyProtocol, destination } = message;
    const onFault = (error: Error): void => this.#onFault(error);
    const serverTls = tls === undefined ? undefined : createServerTls(tls);
    const incoming = proxyProtocol && new IncomingRule(proxyProtocol);
    const routes = this.#router(router);
    const address = formatAddress({ ip, port });
    const server = new Server({
      settings: {
        ...message,
        tls: tls !== undefined,
        handshakeTimeoutMs: tls?.handshakeTimeoutMs ?? Number.POSITIVE_INFINITY,
        earlyLimitBytes: start.bufferSizeBytes,
      },
      metrics: new ServerMetrics(
        this.#registry,
        router,
        address,
        tls !== undefined,
        incoming !== undefined,
      ),
      incoming,
      startTls: incoming && serverTls && createStartTls(serverTls, onFault),
      descriptors: this.#descriptors,
      clock,
      rng,
      log: labelled(logger("proxy"), { srv: address }),
      route: () => routes.route(destination),
    });
    // Where a header comes before TLS, it is for the session to begin TLS.
    const listenerTls = incoming === undefined ? serverTls : undefined;
    server.listen(new Listener(message, server.accept, listenerTls, onFault));
    this.#servers.push(server);
  }

  #drain(): void {
    let left = this.#servers.length;
    if (left === 0) this.#parts.send({ type: "drained" });
    for (const balancer of this.#balancers.values()) balancer.stopIdling();
    for (const server of this.#servers) {
      server.drain(() => {
        left -= 1;
        if (left === 0) this.#parts.send({ type: "drained" });
      });
    }
  }

  #router(label: string): Router {
    const known = this.#routers.get(label);
    if (known !== undefined) return known;
    const router = new Router(new RouterMetrics(this.#registry, label), this.#parts.clock);
    this.#routers.set(label, router);
    return router;
  }

  /** How late the event loop runs a timer: what every connection of this worker waits. */
  #watchLoopLag(): void {
    const { clock, start } = this.#parts;
    const lag = this.#registry.gauge(PROCESS_METRICS.loopLag, String(start.worker));
    let dueMs = clock.now() + LAG_PERIOD_MS;
    clock.every(LAG_PERIOD_MS, () => {
      const nowMs = clock.now();
      lag.set(Math.max(0, nowMs - dueMs));
      dueMs = nowMs + LAG_PERIOD_MS;
      for (const balancer of this.#balancers.values()) balancer.sample();
    });
  }

  #onFault(error: Error): void {
    this.#parts.send({ type: "fault", message: error.stack ?? error.message });
  }
}
