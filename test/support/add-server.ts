// The message that makes a server on a worker, with limits that no test meets by chance.
import type { BoundSocket } from "../../src/transport/bind.ts";
import type { AddServer } from "../../src/wire/messages.ts";

/** A plain server of the router `rt`, for destination 1. */
export function addServer({ fd, ip, port }: BoundSocket, more: Partial<AddServer> = {}): AddServer {
  return {
    type: "add-server",
    server: 0,
    router: "rt",
    destination: 1,
    fd,
    ip,
    port,
    tls: undefined,
    proxyProtocol: undefined,
    connectTimeoutMs: 30_000,
    connectionLifetimeMs: Number.POSITIVE_INFINITY,
    connectionLifetimeJitter: 0,
    idleTimeoutMs: Number.POSITIVE_INFINITY,
    halfClosedTimeoutMs: Number.POSITIVE_INFINITY,
    socketOptions: { keepAlive: undefined, userTimeoutMs: 0 },
    maxConcurrency: 100,
    ...more,
  };
}
