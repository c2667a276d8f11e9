// Ends a set of sessions one by one over a window of time, so that their clients do not all come back at once.
import type { Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { CloseReason } from "./close-reason.ts";

/** What a drain needs of a session. */
export interface Leaver {
  readonly closed: boolean;
  /** Whether it has no endpoint yet. */
  readonly connecting: boolean;
  /** Whether bytes wait to be delivered. */
  readonly holding: boolean;
  lastMovedMs(nowMs: number): number;
  end(reason: CloseReason, lingers: boolean): void;
  destroy(reason: CloseReason): void;
}

/** How sessions are ended. */
export interface DrainPlan {
  /** Before this time nothing is ended; the window comes after it. Default 0. */
  readonly delayMs?: number;
  /** Ends are spread over this time; 0 for at once. */
  readonly windowMs: number;
  /** Infinity for no cap. A window that is too short for it gets longer. */
  readonly maxPerSecond: number;
  /** From the start; what is left then is reset. Infinity for never. */
  readonly deadlineMs: number;
}

/** What a drain is made of. */
export interface DrainParts<Session extends Leaver> {
  readonly sessions: readonly Session[];
  /** Undefined: all are reset at once. */
  readonly plan: DrainPlan | undefined;
  readonly reason: CloseReason;
  readonly clock: Clock;
  readonly rng: Rng;
  /** About once a second, and a last time with `left` 0: then it is over. */
  readonly onProgress: (total: number, left: number) => void;
}

const TICK_MS = 25;
const LOOK_MS = 250;
const PROGRESS_MS = 1_000;
/** A session on which something moved within this time is put off. */
const BUSY_MS = 1_000;
/** Those put off have this last part of the window. */
const LAST_PART = 1 / 3;
/** Sessions are reset for this long at a stretch: connections that stay have the rest of the time. */
const PORTION_MS = 2;

interface Appointment<Session> {
  readonly session: Session;
  readonly dueMs: number;
}

/**
 * Each session has a moment of its own in the window; of n sessions one has the first n-th, and so on. One that is busy at
 * its moment, or has no endpoint yet, is put off to the last third of the window. What is begun is ended in order.
 */
export class Drain<Session extends Leaver> {
  readonly #parts: DrainParts<Session>;
  readonly #startedMs: number;
  /** When the window begins. */
  readonly #beginMs: number;
  readonly #total: number;
  /** In the order of their moments, the next one last. */
  #appointments: Appointment<Session>[];
  #putOff: Session[] = [];
  #begun: Session[] = [];
  /** For the window. */
  #isWaiting: boolean;
  #isLastPart = false;
  #lookedMs: number;
  #toldMs = Number.NEGATIVE_INFINITY;
  /** When the cap allows the next end. */
  #allowedMs = Number.NEGATIVE_INFINITY;

  /** Begins. `onProgress` may be called before this returns. */
  constructor(parts: DrainParts<Session>) {
    const { clock, sessions, plan } = parts;
    this.#parts = parts;
    this.#startedMs = clock.now();
    this.#beginMs = this.#startedMs + (plan?.delayMs ?? 0);
    this.#lookedMs = this.#startedMs;
    this.#total = sessions.length;
    // Who is idle is seen when the window begins.
    const isDelayed = this.#beginMs > this.#startedMs;
    this.#isWaiting = isDelayed;
    this.#putOff = isDelayed ? [...sessions] : [];
    this.#appointments = isDelayed ? [] : this.#plan(sessions, this.#startedMs, this.#endMs(plan));
    this.#run();
  }

  /** Sessions that have not ended. */
  get left(): number {
    return this.#appointments.length + this.#putOff.length + this.#begun.length;
  }

  /** Leaves those alone that fit and have not been begun. They count as ended. */
  release(fits: (session: Session) => boolean): void {
    this.#appointments = this.#appointments.filter(({ session }) => !fits(session));
    this.#putOff = this.#putOff.filter((session) => !fits(session));
  }

  #run(): void {
    const { clock, plan } = this.#parts;
    const nowMs = clock.now();
    const isResetting = plan === undefined || nowMs - this.#startedMs >= plan.deadlineMs;
    if (isResetting) this.#reset(nowMs + PORTION_MS);
    else this.#endDue(nowMs, plan);
    if (isResetting || nowMs - this.#lookedMs >= LOOK_MS) this.#look(nowMs);
    const { left } = this;
    if (left === 0 || nowMs - this.#toldMs >= PROGRESS_MS) {
      this.#toldMs = nowMs;
      this.#parts.onProgress(this.#total, left);
    }
    if (left > 0) clock.after(isResetting ? 0 : TICK_MS, () => this.#run());
  }

  #endDue(nowMs: number, plan: DrainPlan): void {
    const { reason } = this.#parts;
    if (nowMs < this.#beginMs) return;
    const endMs = this.#endMs(plan);
    if (this.#isWaiting) {
      this.#isWaiting = false;
      this.#appointments = this.#plan(this.#putOff, nowMs, endMs);
      this.#putOff = [];
    }
    if (!this.#isLastPart && nowMs >= endMs - (endMs - this.#beginMs) * LAST_PART) {
      this.#isLastPart = true;
      const left = [...this.#putOff, ...this.#appointments.map(({ session }) => session)];
      this.#putOff = [];
      this.#appointments = this.#plan(left, nowMs, endMs);
    }
    for (
      let next = this.#appointments.at(-1);
      next !== undefined;
      next = this.#appointments.at(-1)
    ) {
      if (next.dueMs > nowMs || this.#allowedMs > nowMs) return;
      this.#appointments.pop();
      const { session } = next;
      if (session.closed) continue;
      if (!this.#isLastPart && isBusy(session, nowMs)) {
        this.#putOff.push(session);
        continue;
      }
      this.#allowedMs = Math.max(this.#allowedMs, nowMs - TICK_MS) + 1_000 / plan.maxPerSecond;
      session.end(reason, false);
      if (!session.closed) this.#begun.push(session);
    }
  }

  /** Resets what is left until `untilMs`. */
  #reset(untilMs: number): void {
    const { clock, plan, reason } = this.#parts;
    const resetReason = plan === undefined ? reason : "drain_deadline";
    for (let session = this.#takeAny(); session !== undefined; session = this.#takeAny()) {
      session.destroy(resetReason);
      if (clock.now() >= untilMs) return;
    }
  }

  #takeAny(): Session | undefined {
    return this.#begun.pop() ?? this.#putOff.pop() ?? this.#appointments.pop()?.session;
  }

  /** Forgets those that have ended, and notes what moves on the others. */
  #look(nowMs: number): void {
    this.#lookedMs = nowMs;
    this.#begun = this.#begun.filter(({ closed }) => !closed);
    this.#putOff = this.#putOff.filter(({ closed }) => !closed);
    this.#appointments = this.#appointments.filter(({ session }) => !session.closed);
    for (const session of this.#putOff) session.lastMovedMs(nowMs);
    for (const { session } of this.#appointments) session.lastMovedMs(nowMs);
  }

  /** A moment for each, between the two times: those that have been idle for longest first. */
  #plan(sessions: readonly Session[], fromMs: number, toMs: number): Appointment<Session>[] {
    const { clock, rng } = this.#parts;
    const nowMs = clock.now();
    const share = (toMs - fromMs) / Math.max(1, sessions.length);
    return sessions
      .map((session) => ({
        session,
        movedMs: session.connecting ? nowMs : session.lastMovedMs(nowMs),
      }))
      .toSorted((a, b) => a.movedMs - b.movedMs)
      .map(({ session }, index) => ({ session, dueMs: fromMs + (index + rng.next()) * share }))
      .toReversed();
  }

  #endMs(plan: DrainPlan | undefined): number {
    if (plan === undefined) return this.#startedMs;
    const { delayMs = 0, windowMs, maxPerSecond, deadlineMs } = plan;
    const atLeastMs = (this.#total / maxPerSecond) * 1_000;
    return this.#startedMs + Math.min(deadlineMs, delayMs + Math.max(windowMs, atLeastMs));
  }
}

function isBusy(session: Leaver, nowMs: number): boolean {
  if (session.connecting || session.holding) return true;
  return nowMs - session.lastMovedMs(nowMs) < BUSY_MS;
}
