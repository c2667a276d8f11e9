// A server on one worker: accepts within its limits, makes sessions, ends them.
import type { Balancer } from "../balancer/balancer.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import { DeadlineQueue } from "../lib/deadlines.ts";
import type { Logger } from "../telemetry/log.ts";
import { peerAddress } from "../transport/bun.ts";
import type { Listener } from "../transport/listener.ts";
import type { HandshakeOwner, Socket } from "../transport/socket.ts";
import type { CloseReason } from "./close-reason.ts";
import type { Descriptors, DescriptorUser } from "./descriptors.ts";
import type { ServerMetrics } from "./metrics.ts";
import { Session } from "./session.ts";
import type { SessionContext } from "./session-context.ts";

/** A client that has ended its direction waits no longer than this for an endpoint. */
const HALF_CLOSED_WAIT_MS = 2_000;
/** What was read before a reset is delivered within this time or dropped. */
const LINGER_MS = 10_000;
/** A server at its limit says so no more often than this. */
const LIMIT_LOG_PERIOD_MS = 60_000;
/** Pause before listening is tried again when descriptors have run out. */
const LISTEN_RETRY_MS = 100;

export interface ServerSettings {
  readonly tls: boolean;
  /** Infinity for no limit; the same for the others. */
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly connectionLifetimeMs: number;
  readonly idleTimeoutMs: number;
  /** Sessions at a time; 0 accepts nothing. */
  readonly maxConcurrency: number;
  readonly earlyLimitBytes: number;
}

/** What a server is made of. */
export interface ServerParts {
  readonly settings: ServerSettings;
  readonly metrics: ServerMetrics;
  readonly descriptors: Descriptors;
  readonly clock: Clock;
  readonly log: Logger;
  readonly route: () => Balancer | undefined;
}

export class Server implements SessionContext, DescriptorUser {
  readonly tls: boolean;
  readonly earlyLimitBytes: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ServerMetrics;
  readonly connectDeadlines: DeadlineQueue;
  readonly handshakeDeadlines: DeadlineQueue;
  readonly halfClosedDeadlines: DeadlineQueue;
  readonly lifetimeDeadlines: DeadlineQueue;
  readonly lingerDeadlines: DeadlineQueue;
  readonly route: () => Balancer | undefined;
  readonly #descriptors: Descriptors;
  readonly #maxConcurrency: number;
  readonly #resumeAt: number;
  readonly #sessions = new Set<Session>();
  readonly #idleTimeoutMs: number;
  #listener: Listener | undefined;
  #cancelIdleSearch: Cancel | undefined;
  #cancelRetry: Cancel | undefined;
  #draining = false;
  /** The limit is not logged again before this. */
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  #onDrained: (() => void) | undefined;

  constructor(parts: ServerParts) {
    const { settings, clock } = parts;
    this.tls = settings.tls;
    this.earlyLimitBytes = settings.earlyLimitBytes;
    this.clock = clock;
    this.log = parts.log;
    this.metrics = parts.metrics;
    this.route = parts.route;
    this.connectDeadlines = new DeadlineQueue(clock, settings.connectTimeoutMs);
    this.handshakeDeadlines = new DeadlineQueue(clock, settings.handshakeTimeoutMs);
    this.halfClosedDeadlines = new DeadlineQueue(clock, HALF_CLOSED_WAIT_MS);
    this.lifetimeDeadlines = new DeadlineQueue(clock, settings.connectionLifetimeMs);
    this.lingerDeadlines = new DeadlineQueue(clock, LINGER_MS);
    this.#descriptors = parts.descriptors;
    this.#maxConcurrency = settings.maxConcurrency;
    // Small limits are kept filled; large ones free some places before accepting goes on.
    this.#resumeAt = settings.maxConcurrency - 1 - Math.min(64, settings.maxConcurrency >> 4);
    this.#idleTimeoutMs = settings.idleTimeoutMs;
    parts.descriptors.subscribe(this);
  }

  addressOf(socket: Socket): string | undefined {
    return peerAddress(socket);
  }

  /** Sessions that have not ended. */
  get active(): number {
    return this.#sessions.size;
  }

  /** Begins to accept on `listener`, whose connections come to `accept`. */
  listen(listener: Listener): void {
    this.#listener = listener;
    this.#updateAccepting();
    if (this.#idleTimeoutMs === Number.POSITIVE_INFINITY) return;
    const everyMs = Math.min(5_000, Math.max(50, this.#idleTimeoutMs / 8));
    this.#cancelIdleSearch = this.clock.every(everyMs, () => this.#closeIdle());
  }

  /** Makes the session of an accepted connection. */
  readonly accept = (socket: Socket): HandshakeOwner => {
    const session = new Session(this, socket);
    this.#sessions.add(session);
    this.#descriptors.take();
    if (this.#sessions.size >= this.#maxConcurrency) this.#pauseAtLimit();
    session.start();
    return session.downstream;
  };

  onEnd(session: Session): void {
    this.#sessions.delete(session);
    this.#descriptors.give();
    if (this.#draining) {
      if (this.#sessions.size === 0) this.#drained();
      return;
    }
    if (this.#listener?.accepting === false && this.#sessions.size <= this.#resumeAt)
      this.#updateAccepting();
  }

  onDescriptorsOut(): void {
    this.#pause();
    this.log.warn(
      "accepting paused: no descriptors are left for more connections (ulimit -n)",
      () => ({
        connections: this.#sessions.size,
      }),
    );
  }

  onDescriptorsFree(): void {
    this.#updateAccepting();
  }

  /** Accepts no more; calls `onDrained` once, when no session is left. */
  drain(onDrained: () => void): void {
    this.#draining = true;
    this.#onDrained = onDrained;
    this.#cancelRetry?.();
    this.#listener?.close();
    if (this.#sessions.size === 0) this.#drained();
  }

  /** Ends all sessions now. */
  destroySessions(reason: CloseReason): void {
    for (const session of this.#sessions) session.destroy(reason);
  }

  #drained(): void {
    this.#cancelIdleSearch?.();
    for (const queue of [
      this.connectDeadlines,
      this.handshakeDeadlines,
      this.halfClosedDeadlines,
      this.lifetimeDeadlines,
      this.lingerDeadlines,
    ]) {
      queue.stop();
    }
    const onDrained = this.#onDrained;
    this.#onDrained = undefined;
    onDrained?.();
  }

  #pauseAtLimit(): void {
    this.#pause();
    const nowMs = this.clock.now();
    if (nowMs < this.#quietUntilMs) return;
    this.#quietUntilMs = nowMs + LIMIT_LOG_PERIOD_MS;
    this.log.warn("accepting paused: maxConcurrency is reached", () => ({
      connections: this.#sessions.size,
    }));
  }

  #pause(): void {
    this.#listener?.pause();
    this.metrics.paused.set(1);
  }

  #updateAccepting(): void {
    const full = this.#sessions.size >= this.#maxConcurrency || this.#descriptors.out;
    if (full || this.#draining || this.#listener === undefined) return;
    if (this.#listener.resume()) {
      this.metrics.paused.set(0);
      return;
    }
    this.metrics.paused.set(1);
    this.#cancelRetry?.();
    this.#cancelRetry = this.clock.after(LISTEN_RETRY_MS, () => this.#updateAccepting());
  }

  #closeIdle(): void {
    const nowMs = this.clock.now();
    for (const session of this.#sessions) session.closeIfIdle(nowMs, this.#idleTimeoutMs);
  }
}
