// One worker's part of the proxy: applies what the control thread says, owns servers, routers and balancers.
import { Balancer } from "../balancer/balancer.ts";
import { Endpoint } from "../balancer/endpoint.ts";
import { BalancerMetrics } from "../balancer/metrics.ts";
import { formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import { Descriptors } from "../proxy/descriptors.ts";
import { ServerMetrics } from "../proxy/metrics.ts";
import { Server } from "../proxy/server.ts";
import { RouterMetrics } from "../router/metrics.ts";
import { Router } from "../router/router.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue.ts";
import { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { LoggerFactory } from "../telemetry/log.ts";
import { Registry } from "../telemetry/registry.ts";
import { descriptorOf } from "../transport/bun.ts";
import { ClientTls } from "../transport/client-tls.ts";
import { connectTarget, SocketConnector } from "../transport/connector.ts";
import { libc } from "../transport/libc.ts";
import { Listener } from "../transport/listener.ts";
import { createServerTls } from "../transport/server-tls.ts";
import type {
  AddDestination,
  AddServer,
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
}

export class DataPlane {
  readonly #parts: DataPlaneParts;
  readonly #registry: Registry;
  readonly #descriptors: Descriptors;
  readonly #pages = new Map<number, Float64Array>();
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
        this.#pages.set(message.page, new Float64Array(message.buffer));
        return;
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

  #addDestination({ destination, router, path, config }: AddDestination): void {
    const { clock, rng, logger, send } = this.#parts;
    const tls =
      config.tls === undefined
        ? undefined
        : this.#clientTls.options(config.tls.dnsName, config.tls.trustPem);
    const balancer = new Balancer({
      settings: config,
      connector: new SocketConnector(tls, config.connectTimeoutMs, clock, (error) =>
        this.#onFault(error),
      ),
      metrics: new BalancerMetrics(this.#registry, router, path),
      clock,
      rng,
      log: logger("balancer"),
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
    const cells = this.#pages.get(page) ?? new Float64Array(0);
    return new Endpoint({
      id,
      branch,
      target: connectTarget(ip, port),
      weight,
      row: new EndpointRow(cells, row, worker, workers),
    });
  }

  #addServer(message: AddServer): void {
    const { clock, logger, start } = this.#parts;
    const { router, ip, port, tls, destination } = message;
    const routes = this.#router(router);
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
        formatAddress({ ip, port }),
        tls !== undefined,
      ),
      descriptors: this.#descriptors,
      clock,
      log: logger("proxy"),
      route: () => routes.route(destination),
    });
    const serverTls = tls === undefined ? undefined : createServerTls(tls);
    server.listen(new Listener(message, server.accept, serverTls, (error) => this.#onFault(error)));
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
    });
  }

  #onFault(error: Error): void {
    this.#parts.send({ type: "fault", message: error.stack ?? error.message });
  }
}
