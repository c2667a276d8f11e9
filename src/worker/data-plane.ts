// One worker's part of the proxy: applies what the control thread says.
import { Router } from "../router/router.ts";
import { RouterMetrics } from "../router/metrics.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { Registry } from "../telemetry/registry.ts";
import type { ServerSpec, ToWorker, WorkerStart } from "../wire/messages.ts";
import { Balancers } from "./balancers.ts";
import { watchLoopLag } from "./loop-lag.ts";
import type { WorkerParts } from "./parts.ts";
import { routingOf } from "./routing.ts";
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

  constructor(parts: DataPlaneParts) {
    const { send } = parts;
    this.#parts = {
      ...parts,
      registry: new Registry((event) => send({ type: "metrics", event })),
      onFault: (error) => send({ type: "fault", message: error.stack ?? error.message }),
    };
    this.#balancers = new Balancers(this.#parts, (router, destination) => {
      if (this.#routers.get(router)?.remove(destination)) this.#routers.delete(router);
    });
    const { clock, start, registry } = this.#parts;
    const lag = registry.gauge(PROCESS_METRICS.loopLag, String(start.worker));
    const overload =
      start.overload && this.#parts.features.get("limits").createOverload(this.#parts);
    this.#servers = new Servers(this.#parts, overload);
    this.#sessions = new Sessions(this.#parts, this.#servers);
    watchLoopLag(clock, lag, overload && ((lagMs) => overload.onLag(lagMs)));
    clock.every(SAMPLE_PERIOD_MS, () => this.#balancers.sample());
  }

  /** Applies a message of the control thread. */
  apply(message: Exclude<ToWorker, WorkerStart>): void {
    switch (message.type) {
      case "endpoint-page":
        return this.#balancers.addPage(message);
      case "add-destination": {
        const balancer = this.#balancers.add(message);
        if (balancer === undefined) return;
        return this.#router(message.router).add(message.destination, balancer);
      }
      case "configure-destination":
        return this.#balancers.configure(message);
      case "remove-destination":
        return this.#balancers.remove(message);
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
    // Nothing finds names yet that only connections bring up.
    return routingOf(spec, this.#router(spec.router), hold, undefined);
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
