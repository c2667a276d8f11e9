// A server on one worker: accepts within its limits, makes sessions, ends them.
import type { Overload, OverloadUser } from "../admission/overload.ts";
import type { Cancel } from "../lib/clock.ts";
import type { Listener } from "../transport/listener.ts";
import type { HandshakeOwner, Socket } from "../transport/socket.ts";
import type { CloseReason } from "./close-reason.ts";
import type { Descriptors, DescriptorUser } from "./descriptors.ts";
import { Session } from "./session.ts";
import { SessionContext, type SessionParts, type SessionSettings } from "./session-context.ts";

/** A server at its limit says so no more often than this. */
const LIMIT_LOG_PERIOD_MS = 60_000;
/** Sessions are looked at this often, more often where a limit is short. What a look finds to do it does in one go. */
const LOOK_PERIOD_MS = 2_000;
/** Pause before listening is tried again when descriptors have run out. */
const LISTEN_RETRY_MS = 100;

export interface ServerSettings extends SessionSettings {
  /** Sessions at a time; 0 accepts nothing. */
  readonly maxConcurrency: number;
}

/** What a server is made of. */
export interface ServerParts extends SessionParts {
  readonly settings: ServerSettings;
  readonly descriptors: Descriptors;
  /** Undefined: nothing is ever shed. */
  readonly overload?: Overload | undefined;
}

export class Server implements DescriptorUser, OverloadUser {
  readonly #context: SessionContext;
  readonly #descriptors: Descriptors;
  readonly #overload: Overload | undefined;
  readonly #maxConcurrency: number;
  readonly #resumeAt: number;
  readonly #sessions = new Set<Session>();
  #listener: Listener | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #cancelLook: Cancel | undefined;
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
    this.#overload = parts.overload;
    parts.descriptors.subscribe(this);
    parts.overload?.subscribe(this);
  }

  /** Sessions that have not ended. */
  get active(): number {
    return this.#sessions.size;
  }

  get sessions(): Iterable<Session> {
    return this.#sessions;
  }

  /** Begins to accept on `listener`, whose connections come to `accept`. */
  listen(listener: Listener): void {
    this.#listener = listener;
    this.#updateAccepting();
    const { idleTimeoutMs, halfClosedTimeoutMs } = this.#context.settings;
    const shortestMs = Math.min(idleTimeoutMs, halfClosedTimeoutMs);
    const everyMs = Math.min(LOOK_PERIOD_MS, Math.max(50, shortestMs / 8));
    this.#cancelLook = this.#context.clock.every(everyMs, () => this.#look());
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

  onOverload(): void {
    this.#pause();
  }

  onRelief(): void {
    this.#updateAccepting();
  }

  /** Accepts no more; sessions go on. */
  stopAccepting(): void {
    this.#draining = true;
    this.#cancelRetry?.();
    this.#listener?.close();
  }

  /** Accepts no more; calls `onDrained` once, when no session is left. */
  drain(onDrained: () => void): void {
    this.stopAccepting();
    this.#onDrained = onDrained;
    if (this.#sessions.size === 0) this.#drained();
  }

  /** Ends all sessions now. */
  destroySessions(reason: CloseReason): void {
    for (const session of this.#sessions) session.destroy(reason);
  }

  #onEnd(session: Session): void {
    this.#sessions.delete(session);
    this.#descriptors.give();
    if (this.#draining) {
      if (this.#sessions.size === 0 && this.#onDrained !== undefined) this.#drained();
      return;
    }
    if (this.#listener?.accepting === false && this.#sessions.size <= this.#resumeAt)
      this.#updateAccepting();
  }

  #drained(): void {
    this.#cancelLook?.();
    this.#overload?.unsubscribe(this);
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
    const isPausing = this.#overload?.pausing === true;
    if (full || isPausing || this.#draining || this.#listener === undefined) return;
    if (this.#listener.resume()) {
      this.#context.metrics.paused.set(0);
      return;
    }
    this.#context.metrics.paused.set(1);
    this.#cancelRetry?.();
    this.#cancelRetry = this.#context.clock.after(LISTEN_RETRY_MS, () => this.#updateAccepting());
  }

  #look(): void {
    const nowMs = this.#context.clock.now();
    const lastMs = this.#lookedMs;
    this.#lookedMs = nowMs;
    for (const session of this.#sessions) session.look(nowMs, lastMs);
  }
}
