// A server on one worker: accepts within its limits, makes sessions, ends them.
import type { Cancel } from "../lib/clock.ts";
import type { Listener } from "../transport/listener.ts";
import type { HandshakeOwner, Socket } from "../transport/socket.ts";
import type { CloseReason } from "./close-reason.ts";
import type { Descriptors, DescriptorUser } from "./descriptors.ts";
import { Session } from "./session.ts";
import { SessionContext, type SessionParts, type SessionSettings } from "./session-context.ts";

/** A server at its limit says so no more often than this. */
const LIMIT_LOG_PERIOD_MS = 60_000;
/** Pause before listening is tried again when descriptors have run out. */
const LISTEN_RETRY_MS = 100;

export interface ServerSettings extends SessionSettings {
  readonly idleTimeoutMs: number;
  /** Sessions at a time; 0 accepts nothing. */
  readonly maxConcurrency: number;
}

/** What a server is made of. */
export interface ServerParts extends SessionParts {
  readonly settings: ServerSettings;
  readonly descriptors: Descriptors;
}

export class Server implements DescriptorUser {
  readonly #context: SessionContext;
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
    const { settings } = parts;
    this.#context = new SessionContext(parts, (session) => this.#onEnd(session));
    this.#descriptors = parts.descriptors;
    this.#maxConcurrency = settings.maxConcurrency;
    // Small limits are kept filled; large ones free some places before accepting goes on.
    this.#resumeAt = settings.maxConcurrency - 1 - Math.min(64, settings.maxConcurrency >> 4);
    this.#idleTimeoutMs = settings.idleTimeoutMs;
    parts.descriptors.subscribe(this);
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
    this.#cancelIdleSearch = this.#context.clock.every(everyMs, () => this.#closeIdle());
  }

  /** Makes the session of an accepted connection. */
  readonly accept = (socket: Socket): HandshakeOwner => {
    const session = new Session(this.#context, socket);
    this.#sessions.add(session);
    this.#descriptors.take();
    if (this.#sessions.size >= this.#maxConcurrency) this.#pauseAtLimit();
    return session.start();
  };

  onDescriptorsOut(): void {
    this.#pause();
    this.#context.log.warn(
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

  /** Ends the sessions that have one of these endpoints. */
  endSessionsTo(endpoints: ReadonlySet<number>, reason: CloseReason): void {
    for (const session of this.#sessions) {
      const id = session.endpointId;
      if (id !== undefined && endpoints.has(id)) session.destroy(reason);
    }
  }

  #onEnd(session: Session): void {
    this.#sessions.delete(session);
    this.#descriptors.give();
    if (this.#draining) {
      if (this.#sessions.size === 0) this.#drained();
      return;
    }
    if (this.#listener?.accepting === false && this.#sessions.size <= this.#resumeAt)
      this.#updateAccepting();
  }

  #drained(): void {
    this.#cancelIdleSearch?.();
    this.#context.stop();
    const onDrained = this.#onDrained;
    this.#onDrained = undefined;
    onDrained?.();
  }

  #pauseAtLimit(): void {
    this.#pause();
    const nowMs = this.#context.clock.now();
    if (nowMs < this.#quietUntilMs) return;
    this.#quietUntilMs = nowMs + LIMIT_LOG_PERIOD_MS;
    this.#context.log.warn("accepting paused: maxConcurrency is reached", () => ({
      connections: this.#sessions.size,
    }));
  }

  #pause(): void {
    this.#listener?.pause();
    this.#context.metrics.paused.set(1);
  }

  #updateAccepting(): void {
    const full = this.#sessions.size >= this.#maxConcurrency || this.#descriptors.out;
    if (full || this.#draining || this.#listener === undefined) return;
    if (this.#listener.resume()) {
      this.#context.metrics.paused.set(0);
      return;
    }
    this.#context.metrics.paused.set(1);
    this.#cancelRetry?.();
    this.#cancelRetry = this.#context.clock.after(LISTEN_RETRY_MS, () => this.#updateAccepting());
  }

  #closeIdle(): void {
    const nowMs = this.#context.clock.now();
    for (const session of this.#sessions) session.closeIfIdle(nowMs, this.#idleTimeoutMs);
  }
}
