// One worker's part of the proxy: applies what the control thread says.
import { Router } from "../router/router.ts";
import { RouterMetrics } from "../router/metrics.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { Registry } from "../telemetry/registry.ts";
import type { ServerSpec, ToWorker, WorkerStart } from "../wire/messages.ts";
import { Balancers } from "./balancers.ts";
import { watchLoopLag } from "./loop-lag.ts";
import type { Names } from "./names.ts";
import type { WorkerParts } from "./parts.ts";
import { type Routing, Servers } from "./servers.ts";
import { Sessions } from "./sessions.ts";

/** How often metrics are made current that time changes by itself. */
const SAMPLE_PERIOD_MS = 1_000;

/** What a data plane is given. */
export type DataPlaneParts = Omit<WorkerParts, "registry" | "onFault">;

export class DataPlane {
  readonly #parts: WorkerParts;
  readonly #routers = new Map<string, Router>();
  readonly #balancers: Balancers;
  readonly #servers: Servers;
  readonly #sessions: Sessions;
  /** Undefined before a server has asked for it. */
  #names: Names | undefined;

  constructor(parts: DataPlaneParts) {
    const { send } = parts;
    this.#parts = {
      ...parts,
      registry: new Registry((event) => send({ type: "metrics", event })),
      onFault: (error) => send({ type: "fault", message: error.stack ?? error.message }),
    };
    this.#balancers = new Balancers(this.#parts, (router, destination) => {
      if (this.#routers.get(router)?.remove(destination) === true) this.#routers.delete(router);
    });
    const { clock, start, registry } = this.#parts;
    const lag = registry.gauge(PROCESS_METRICS.loopLag, String(start.worker));
    const overload =
      start.overload && this.#parts.features.get("limits").createOverload(this.#parts);
    this.#servers = new Servers(this.#parts, overload);
    this.#sessions = new Sessions(this.#parts, this.#servers);
    watchLoopLag(clock, lag, overload && ((lagMs) => overload.onLag(lagMs)));
    clock.every(SAMPLE_PERIOD_MS, () => {
      this.#balancers.sample();
      this.#names?.sample();
    });
  }

  /** Applies a message of the control thread. */
  apply(message: Exclude<ToWorker, WorkerStart>): void {
    switch (message.type) {
      case "endpoint-page":
        return this.#balancers.addPage(message);
      case "add-destination": {
        const { balancer, isNew } = this.#balancers.add(message);
        if (isNew) this.#router(message.router).add(message.destination, balancer);
        this.#names?.added(message, balancer);
        return;
      }
      case "configure-destination":
        return this.#balancers.configure(message);
      case "remove-destination":
        this.#names?.removing(message.destination);
        return this.#balancers.remove(message);
      case "refuse-destination":
        return this.#names?.refused(message.router, message.path);
      case "update-endpoints":
        return this.#balancers.update(message);
      case "add-server":
        return this.#servers.add(message, () => this.#routing(message));
      case "configure-server":
        return this.#servers.configure(message, () => this.#routing(message));
      case "remove-server":
        return this.#servers.remove(message.server);
      case "limit-descriptors":
        return this.#servers.limitDescriptors(message.maxDescriptors);
      case "end-sessions":
        return this.#sessions.end(message);
      case "stop-ending":
        return this.#sessions.stopEnding(message);
      case "list-sessions":
        return this.#sessions.list(message);
      case "close-server":
        return this.#servers.close(message.server);
      case "cut-connections":
        return this.#balancers.cut(message);
      case "confirm":
        return this.#parts.send({ type: "confirmed", order: message.order });
      case "drain":
        this.#balancers.stopIdling();
        return this.#servers.drain(() => this.#parts.send({ type: "drained" }));
      case "destroy":
        return this.#servers.destroySessions();
      default:
        return message satisfies never;
    }
  }

  #routing(spec: ServerSpec): Routing {
    const hold = (destination: number): (() => void) => this.#balancers.hold(destination);
    const router = this.#router(spec.router);
    const { destination, routing: rules } = spec;
    if (rules === undefined)
      return { route: () => router.route(destination), onOver: hold(destination) };
    const { features, send } = this.#parts;
    const { routingOf } = features.get("routing");
    if (spec.bringsUpNames !== true) return routingOf(spec, rules, router, hold, undefined);
    const { Names: Loaded } = features.get("names");
    this.#names ??= new Loaded({ balancers: this.#balancers, send });
    const { lookup, end } = this.#names.begin(spec.router, router);
    const routing = routingOf(spec, rules, router, hold, lookup);
    const onOver = (): void => {
      routing.onOver();
      if (end() && this.#routers.get(spec.router) === router) this.#routers.delete(spec.router);
    };
    return { ...routing, onOver };
  }

  #router(label: string): Router {
    const known = this.#routers.get(label);
    if (known !== undefined) return known;
    const { registry, clock } = this.#parts;
    const router = new Router(new RouterMetrics(registry, label), clock);
    this.#routers.set(label, router);
    return router;
  }
}
