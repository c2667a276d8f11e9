// The servers of one worker: made as the control thread says.
import type { Balancer } from "../balancer/balancer.ts";
import { formatAddress } from "../lib/address.ts";
import { Descriptors } from "../proxy/descriptors.ts";
import { ServerMetrics } from "../proxy/metrics.ts";
import { IncomingRule } from "../proxy/proxy-protocol/incoming.ts";
import { Server } from "../proxy/server.ts";
import { labelled } from "../telemetry/log.ts";
import { Listener } from "../transport/listener.ts";
import { createServerTls } from "../transport/server-tls.ts";
import { createStartTls } from "../transport/server-upgrade.ts";
import type { AddServer } from "../wire/messages.ts";
import type { WorkerParts } from "./parts.ts";

export class Servers {
  readonly #parts: WorkerParts;
  readonly #descriptors: Descriptors;
  readonly #servers: Server[] = [];

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#descriptors = new Descriptors(parts.start.maxDescriptors);
  }

  /** Makes a server, which accepts from now on. `route` answers the balancer of a new connection. */
  add(message: AddServer, route: () => Balancer | undefined): void {
    const { clock, rng, logger, start, registry, onFault } = this.#parts;
    const { router, ip, port, tls, proxyProtocol } = message;
    const serverTls = tls === undefined ? undefined : createServerTls(tls);
    const incoming = proxyProtocol && new IncomingRule(proxyProtocol);
    const address = formatAddress({ ip, port });
    const server = new Server({
      settings: {
        ...message,
        tls: tls !== undefined,
        handshakeTimeoutMs: tls?.handshakeTimeoutMs ?? Number.POSITIVE_INFINITY,
        earlyLimitBytes: start.bufferSizeBytes,
      },
      metrics: new ServerMetrics(
        registry,
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
      route,
    });
    // Where a header comes before TLS, it is for the session to begin TLS.
    const listenerTls = incoming === undefined ? serverTls : undefined;
    server.listen(new Listener(message, server.accept, listenerTls, onFault));
    this.#servers.push(server);
  }

  /** Accepts no more; calls `onDrained` once, when no session is left. */
  drain(onDrained: () => void): void {
    let left = this.#servers.length;
    if (left === 0) onDrained();
    for (const server of this.#servers) {
      server.drain(() => {
        left -= 1;
        if (left === 0) onDrained();
      });
    }
  }

  /** Ends the sessions whose endpoints health checks have found unhealthy. */
  endSessionsTo(endpoints: ReadonlySet<number>): void {
    for (const server of this.#servers) server.endSessionsTo(endpoints, "endpoint_unhealthy");
  }

  /** Ends all sessions now. */
  destroySessions(): void {
    for (const server of this.#servers) server.destroySessions("shutdown");
  }
}
