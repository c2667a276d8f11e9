// One worker's part of the proxy: applies what the control thread says.
import { Router } from "../router/router.ts";
import { RouterMetrics } from "../router/metrics.ts";
import { PROCESS_METRICS } from "../telemetry/catalogue/process.ts";
import { Registry } from "../telemetry/registry.ts";
import type { EndConnections, ToWorker, WorkerStart } from "../wire/messages.ts";
import { Balancers } from "./balancers.ts";
import type { WorkerParts } from "./parts.ts";
import { Servers } from "./servers.ts";

const LAG_PERIOD_MS = 1_000;

/** What a data plane is given. */
export type DataPlaneParts = Omit<WorkerParts, "registry" | "onFault">;

export class DataPlane {
  readonly #parts: WorkerParts;
  readonly #routers = new Map<string, Router>();
  readonly #balancers: Balancers;
  readonly #servers: Servers;

  constructor(parts: DataPlaneParts) {
    const { send } = parts;
    this.#parts = {
      ...parts,
      registry: new Registry((event) => send({ type: "metrics", event })),
      onFault: (error) => send({ type: "fault", message: error.stack ?? error.message }),
    };
    this.#balancers = new Balancers(this.#parts);
    this.#servers = new Servers(this.#parts);
    this.#watchLoopLag();
  }

  /** Applies a message of the control thread. */
  apply(message: Exclude<ToWorker, WorkerStart>): void {
    switch (message.type) {
      case "endpoint-page":
        return this.#balancers.addPage(message);
      case "add-destination": {
        const balancer = this.#balancers.add(message);
        return this.#router(message.router).add(message.destination, balancer);
      }
      case "update-endpoints":
        return this.#balancers.update(message);
      case "add-server": {
        const routes = this.#router(message.router);
        return this.#servers.add(message, () => routes.route(message.destination));
      }
      case "end-connections":
        return this.#endConnections(message);
      case "confirm":
        return this.#parts.send({ type: "confirmed" });
      case "drain":
        this.#balancers.stopIdling();
        return this.#servers.drain(() => this.#parts.send({ type: "drained" }));
      case "destroy":
        return this.#servers.destroySessions();
      default:
        return message satisfies never;
    }
  }

  #endConnections({ destination, endpoints, how }: EndConnections): void {
    if (how !== "cut") return;
    const ids = new Set(endpoints);
    this.#balancers.cut(destination, ids);
    this.#servers.endSessionsTo(ids);
  }

  #router(label: string): Router {
    const known = this.#routers.get(label);
    if (known !== undefined) return known;
    const { registry, clock } = this.#parts;
    const router = new Router(new RouterMetrics(registry, label), clock);
    this.#routers.set(label, router);
    return router;
  }

  /** How late the event loop runs a timer: what every connection of this worker waits. */
  #watchLoopLag(): void {
    const { clock, start, registry } = this.#parts;
    const lag = registry.gauge(PROCESS_METRICS.loopLag, String(start.worker));
    let dueMs = clock.now() + LAG_PERIOD_MS;
    clock.every(LAG_PERIOD_MS, () => {
      const nowMs = clock.now();
      lag.set(Math.max(0, nowMs - dueMs));
      dueMs = nowMs + LAG_PERIOD_MS;
    });
  }
}
