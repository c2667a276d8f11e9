// What all sessions of a server share.
import type { Balancer } from "../balancer/balancer.ts";
import type { Clock } from "../lib/clock.ts";
import type { DeadlineQueue } from "../lib/deadlines.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Socket } from "../transport/socket.ts";
import type { ServerMetrics } from "./metrics.ts";
import type { Session } from "./session.ts";

export interface SessionContext {
  readonly tls: boolean;
  /** Bytes of a client that are kept while it has no endpoint, before it is no longer read from. */
  readonly earlyLimitBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ServerMetrics;
  /** From accept to an endpoint in hand. */
  readonly connectDeadlines: DeadlineQueue;
  readonly handshakeDeadlines: DeadlineQueue;
  /** The wait of a client that has ended its direction. */
  readonly halfClosedDeadlines: DeadlineQueue;
  readonly lifetimeDeadlines: DeadlineQueue;
  /** Time for a side to take what its peer sent before a reset. */
  readonly lingerDeadlines: DeadlineQueue;
  /** The balancer of a new session, undefined when its destination is not known. */
  route(): Balancer | undefined;
  /** The address of a socket's peer, as far as the engine knows it. */
  addressOf(socket: Socket): string | undefined;
  /** Both sockets are closed. Called once. */
  onEnd(session: Session): void;
}
