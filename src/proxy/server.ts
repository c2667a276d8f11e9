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

/** What may change about a server while it runs. */
export interface ServerSetup extends Pick<
  SessionParts,
  "incoming" | "startTls" | "admission" | "route" | "routes" | "onOver"
> {
  readonly settings: ServerSettings;
}

/** What a server is made of. */
export interface ServerParts extends SessionParts {
  readonly settings: ServerSettings;
  readonly descriptors: Descriptors;
  /** Undefined: nothing is ever shed. */
  readonly overload?: Overload | undefined;
}

export class Server implements DescriptorUser, OverloadUser {
  readonly #common: Omit<SessionParts, keyof ServerSetup>;
  /** Of new sessions; earlier ones may still be in use. */
  #context: SessionContext;
  readonly #descriptors: Descriptors;
  readonly #overload: Overload | undefined;
  #maxConcurrency = 0;
  #resumeAt = 0;
  readonly #sessions = new Set<Session>();
  #listener: Listener | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #cancelLook: Cancel | undefined;
  #cancelRetry: Cancel | undefined;
  #draining = false;
  #over = false;
  #lookPeriodMs = Number.POSITIVE_INFINITY;
  /** The limit is not logged again before this. */
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  #onDrained: (() => void)[] = [];

  constructor(parts: ServerParts) {
    const { metrics, clock, rng, log } = parts;
    this.#common = { metrics, clock, rng, log };
    this.#context = this.#newContext(parts);
    this.#descriptors = parts.descriptors;
    this.#overload = parts.overload;
    this.#setLimit(parts.settings.maxConcurrency);
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
    this.#lookForIdle();
  }

  /** New sessions have these settings; those that run keep theirs. The listener's TLS is for the caller to set. */
  reconfigure(setup: ServerSetup): void {
    const before = this.#context;
    this.#context = this.#newContext({ ...this.#common, ...setup });
    if (before.active === 0) before.stop();
    this.#setLimit(setup.settings.maxConcurrency);
    this.#lookForIdle();
    if (this.#listener === undefined || this.#draining) return;
    if (this.#sessions.size < this.#maxConcurrency) this.#updateAccepting();
    else this.#pauseAtLimit();
  }

  /** Makes the session of an accepted connection. */
  readonly accept = (socket: Socket): HandshakeOwner => {
    const context = this.#context;
    const session = new Session(context, socket);
    context.active += 1;
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
    this.#descriptors.unsubscribe(this);
    this.#overload?.unsubscribe(this);
    this.#cancelRetry?.();
    this.#listener?.close();
  }

  /** Accepts no more; calls `onDrained` once, when no session is left. May be called again, for others to be told too. */
  drain(onDrained: () => void): void {
    this.stopAccepting();
    this.#onDrained.push(onDrained);
    if (this.#sessions.size === 0) this.#drained();
  }

  /** Ends all sessions now. */
  destroySessions(reason: CloseReason): void {
    for (const session of this.#sessions) session.destroy(reason);
  }

  #newContext(parts: SessionParts): SessionContext {
    const context = new SessionContext(parts, (session) => this.#onEnd(session, context));
    return context;
  }

  #setLimit(maxConcurrency: number): void {
    this.#maxConcurrency = maxConcurrency;
    // Small limits are kept filled; large ones free some places before accepting goes on.
    this.#resumeAt = maxConcurrency - 1 - Math.min(64, maxConcurrency >> 4);
  }

  /** Begins to look at sessions, as often as those need it whose time is shortest. */
  #lookForIdle(): void {
    const { idleTimeoutMs, halfClosedTimeoutMs } = this.#context.settings;
    const shortestMs = Math.min(idleTimeoutMs, halfClosedTimeoutMs);
    const everyMs = Math.min(LOOK_PERIOD_MS, Math.max(50, shortestMs / 8));
    if (everyMs >= this.#lookPeriodMs) return;
    this.#lookPeriodMs = everyMs;
    this.#cancelLook?.();
    this.#cancelLook = this.#context.clock.every(everyMs, () => this.#look());
  }

  #onEnd(session: Session, context: SessionContext): void {
    this.#sessions.delete(session);
    this.#descriptors.give();
    context.active -= 1;
    if (context.active === 0 && context !== this.#context) context.stop();
    if (this.#draining) {
      if (this.#sessions.size === 0 && this.#onDrained.length > 0) this.#drained();
      return;
    }
    if (this.#listener?.accepting === false && this.#sessions.size <= this.#resumeAt)
      this.#updateAccepting();
  }

  #drained(): void {
    this.#cancelLook?.();
    if (!this.#over) this.#context.stop();
    this.#over = true;
    const callbacks = this.#onDrained;
    this.#onDrained = [];
    for (const onDrained of callbacks) onDrained();
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
