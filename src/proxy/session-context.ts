// What all sessions of a server share.
import type { Admission } from "../admission/admission.ts";
import type { Balancer } from "../balancer/balancer.ts";
import type { Clock } from "../lib/clock.ts";
import { DeadlineQueue } from "../lib/deadlines.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";
import type { StartTls } from "../transport/server-upgrade.ts";
import { Lifetimes } from "./lifetimes.ts";
import type { ServerMetrics } from "./metrics.ts";
import type { IncomingRule } from "./proxy-protocol/incoming.ts";
import type { Session } from "./session.ts";
import type { SessionRoutes } from "./session-routes.ts";

/** A client that has ended its direction waits no longer than this for an endpoint. */
const HALF_CLOSED_WAIT_MS = 2_000;
/** What was read before a reset is delivered within this time or dropped. */
const LINGER_MS = 10_000;

export interface SessionSettings {
  /** Id of where the server leads. */
  readonly destination: number;
  readonly tls: boolean;
  /** Infinity for no limit; the same for the others. */
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly connectionLifetimeMs: number;
  /** Lifetimes are drawn from this part of the whole below it, 0 to 1: connections made at once end at different times. */
  readonly connectionLifetimeJitter: number;
  readonly idleTimeoutMs: number;
  /** One direction has ended, and nothing moves in the other. */
  readonly halfClosedTimeoutMs: number;
  /** Bytes of a client that are kept while it has no endpoint, before it is no longer read from. */
  readonly earlyLimitBytes: number;
}

/** What the context of sessions is made of. */
export interface SessionParts {
  readonly settings: SessionSettings;
  readonly metrics: ServerMetrics;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Whose connections begin with a PROXY header; undefined: nobody's. */
  readonly incoming?: IncomingRule | undefined;
  /** Where `incoming` is there and the server speaks TLS: the listener does not, as TLS comes after the header. */
  readonly startTls?: StartTls | undefined;
  /** Who may use the server; undefined: everybody. */
  readonly admission?: Admission | undefined;
  /** The balancer of a new session, undefined when its destination is not known. */
  readonly route: () => Balancer | undefined;
  /** How a session finds its balancer instead, on servers that choose. */
  readonly routes?: SessionRoutes | undefined;
  /** Called once, when no session has these settings any more and none will. */
  readonly onOver?: (() => void) | undefined;
}

/** The settings that sessions began with, and keep: a server with new settings has a new context. */
export class SessionContext {
  readonly settings: SessionSettings;
  readonly metrics: ServerMetrics;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly incoming: IncomingRule | undefined;
  readonly startTls: StartTls | undefined;
  /** May come later, but does not go: sessions give back to it. */
  admission: Admission | undefined;
  readonly route: () => Balancer | undefined;
  readonly routes: SessionRoutes | undefined;
  /** Both sockets of a session are closed. Called once for each. */
  readonly onEnd: (session: Session) => void;
  /** From accept to an endpoint in hand. */
  readonly connectDeadlines: DeadlineQueue;
  readonly headerDeadlines: DeadlineQueue;
  readonly helloDeadlines: DeadlineQueue;
  readonly handshakeDeadlines: DeadlineQueue;
  /** The wait of a client that has ended its direction. */
  readonly halfClosedDeadlines: DeadlineQueue;
  readonly lifetimes: Lifetimes;
  /** Time for a side to take what its peer sent before a reset. */
  readonly lingerDeadlines: DeadlineQueue;
  /** Sessions of this context that have not ended. */
  active = 0;
  readonly #onOver: (() => void) | undefined;
  readonly #deadlines: DeadlineQueue[] = [];

  constructor(parts: SessionParts, onEnd: (session: Session) => void) {
    const { settings, clock } = parts;
    this.settings = settings;
    this.metrics = parts.metrics;
    this.clock = clock;
    this.rng = parts.rng;
    this.log = parts.log;
    this.incoming = parts.incoming;
    this.startTls = parts.startTls;
    this.admission = parts.admission;
    this.route = parts.route;
    this.routes = parts.routes;
    this.onEnd = onEnd;
    this.#onOver = parts.onOver;
    this.connectDeadlines = this.#queue(settings.connectTimeoutMs);
    this.headerDeadlines = this.#queue(parts.incoming?.timeoutMs ?? Number.POSITIVE_INFINITY);
    this.helloDeadlines = this.#queue(parts.routes?.helloTimeoutMs ?? Number.POSITIVE_INFINITY);
    this.handshakeDeadlines = this.#queue(settings.handshakeTimeoutMs);
    this.halfClosedDeadlines = this.#queue(HALF_CLOSED_WAIT_MS);
    const { connectionLifetimeMs, connectionLifetimeJitter } = settings;
    this.lifetimes = new Lifetimes(
      clock,
      parts.rng,
      connectionLifetimeMs,
      connectionLifetimeJitter,
    );
    this.lingerDeadlines = this.#queue(LINGER_MS);
  }

  /** Gives up all timers: no session is left. To be called once. */
  stop(): void {
    for (const queue of this.#deadlines) queue.stop();
    this.lifetimes.stop();
    this.#onOver?.();
  }

  #queue(periodMs: number): DeadlineQueue {
    const queue = new DeadlineQueue(this.clock, periodMs);
    this.#deadlines.push(queue);
    return queue;
  }
}
