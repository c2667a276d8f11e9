// How many connections wait in the kernel for somebody to accept them: asked when the metrics are read.
import { formatAddress } from "../lib/address.ts";
import { SERVER_METRICS } from "../telemetry/catalogue/server.ts";
import type { Gauge } from "../telemetry/metrics.ts";
import type { Registry } from "../telemetry/registry.ts";
import { libc } from "../transport/libc.ts";
import type { BoundServer } from "./servers.ts";

interface Queue {
  readonly length: Gauge;
  readonly limit: Gauge;
}

/** The gauges of servers' queues; servers whose queue cannot be asked for have none. */
export class AcceptQueues {
  readonly #registry: Registry;
  readonly #queues = new Map<number, Queue>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Reads the queues of the servers that there are now. */
  refresh(servers: readonly BoundServer[]): void {
    for (const { id, router, socket } of servers) {
      const read = socket.fd === undefined ? undefined : libc?.acceptQueue(socket.fd);
      if (read === undefined) continue;
      const queue = this.#queues.get(id) ?? this.#add(id, router, formatAddress(socket));
      queue.length.set(read.length);
      queue.limit.set(read.limit);
    }
    for (const [id, queue] of this.#queues) {
      if (servers.some((server) => server.id === id)) continue;
      this.#registry.release(queue.length);
      this.#registry.release(queue.limit);
      this.#queues.delete(id);
    }
  }

  #add(id: number, router: string, address: string): Queue {
    const queue = {
      length: this.#registry.gauge(SERVER_METRICS.queue, router, address),
      limit: this.#registry.gauge(SERVER_METRICS.queueLimit, router, address),
    };
    this.#queues.set(id, queue);
    return queue;
  }
}
