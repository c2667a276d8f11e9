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
  /** Sessions at a time; 0 accepts nothing. */
  readonly maxConcurrency: number;
}

/** What may change about a server while it runs. */
export interface ServerSetup extends Pick<
  SessionParts,
  "incoming" | "startTls" | "route" | "onOver"
> {
  readonly settings: ServerSettings;
}

/** What a server is made of. */
export interface ServerParts extends SessionParts {
  readonly settings: ServerSettings;
  readonly descriptors: Descriptors;
}

export class Server implements DescriptorUser {
  readonly #common: Omit<SessionParts, keyof ServerSetup>;
  /** Of new sessions; earlier ones may still be in use. */
  #context: SessionContext;
  readonly #descriptors: Descriptors;
  #maxConcurrency = 0;
  #resumeAt = 0;
  readonly #sessions = new Set<Session>();
  #listener: Listener | undefined;
  #cancelIdleSearch: Cancel | undefined;
  #cancelRetry: Cancel | undefined;
  #draining = false;
  #over = false;
  #idleSearchedForMs = Number.POSITIVE_INFINITY;
  /** The limit is not logged again before this. */
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  #onDrained: (() => void)[] = [];

  constructor(parts: ServerParts) {
    const { metrics, clock, rng, log } = parts;
    this.#common = { metrics, clock, rng, log };
    this.#context = this.#newContext(parts);
    this.#descriptors = parts.descriptors;
    this.#setLimit(parts.settings.maxConcurrency);
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
    this.#searchIdle();
  }

  /** New sessions have these settings; those that run keep theirs. The listener's TLS is for the caller to set. */
  reconfigure(setup: ServerSetup): void {
    const before = this.#context;
    this.#context = this.#newContext({ ...this.#common, ...setup });
    if (before.active === 0) before.stop();
    this.#setLimit(setup.settings.maxConcurrency);
    this.#searchIdle();
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

  /** Accepts no more; calls `onDrained` once, when no session is left. May be called again, for others to be told too. */
  drain(onDrained: () => void): void {
    this.#draining = true;
    this.#onDrained.push(onDrained);
    this.#descriptors.unsubscribe(this);
    this.#cancelRetry?.();
    this.#listener?.close();
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

  /** Begins to look for idle sessions, as often as those need it whose time is shortest. */
  #searchIdle(): void {
    const { idleTimeoutMs } = this.#context.settings;
    if (idleTimeoutMs >= this.#idleSearchedForMs) return;
    this.#idleSearchedForMs = idleTimeoutMs;
    this.#cancelIdleSearch?.();
    const everyMs = Math.min(5_000, Math.max(50, idleTimeoutMs / 8));
    this.#cancelIdleSearch = this.#context.clock.every(everyMs, () => this.#closeIdle());
  }

  #onEnd(session: Session, context: SessionContext): void {
    this.#sessions.delete(session);
    this.#descriptors.give();
    context.active -= 1;
    if (context.active === 0 && context !== this.#context) context.stop();
    if (this.#draining) {
      if (this.#sessions.size === 0) this.#drained();
      return;
    }
    if (this.#listener?.accepting === false && this.#sessions.size <= this.#resumeAt)
      this.#updateAccepting();
  }

  #drained(): void {
    this.#cancelIdleSearch?.();
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
    for (const session of this.#sessions) session.closeIfIdle(nowMs);
  }
}
