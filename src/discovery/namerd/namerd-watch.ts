// Follows one thing in namerd: a stream where the server streams, polls where it does not, new attempts where it fails.
import { Backoff } from "../../lib/backoff.ts";
import type { Cancel, Clock } from "../../lib/clock.ts";
import { Pace } from "../../lib/pace.ts";
import type { Rng } from "../../lib/rng.ts";
import type { Logger } from "../../telemetry/log.ts";
import { type ExchangeEnd, HttpExchange } from "../http-exchange.ts";
import type { SourceMetrics } from "../metrics.ts";
import type { NamerdQuestion, NamerdReading, NamerdWay } from "./namerd-question.ts";

export interface NamerdDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: SourceMetrics;
}

/** What is known without an answer of namerd's. */
export type NoAnswer =
  { readonly state: "pending" } | { readonly state: "failed"; readonly cause: string };

/** First wait after a failure, and after a stream that ended: up to this. */
const FIRST_RETRY_MS = 500;
/** The waits grow up to the poll period, within these bounds: an attempt is cheap, a name that is not known is not. */
const LAST_RETRY_MS = { least: 5_000, most: 60_000 };
/** One value and the end, in less than this: the server does not stream. A stream that lived longer has just ended. */
const SHORT_LIFE_MS = 3_000;
/** A stream that lived this long was a good one: the next waits begin small again. */
const STEADY_LIFE_MS = 10_000;
/** A stream that was silent for this many periods, but not less than the time below, is replaced by a fresh one. */
const SILENT_PERIODS = 5;
const LEAST_SILENCE_MS = 300_000;
/** Statuses by which a server may refuse the parameter `watch` that it does not know. */
const WATCH_REFUSED = new Set([400, 404, 405, 501]);
/** Those by which it, or what stands before it, says that this is no way to ask. namerd's own 400 is about the path. */
const WAY_UNKNOWN = new Set([403, 404, 405, 501]);

interface Attempt<T> {
  readonly exchange: HttpExchange;
  readonly way: NamerdWay<T>;
  readonly watch: boolean;
  readonly startMs: number;
  /** When its head came. */
  headMs: number | undefined;
  /** Lines that came and may be answers. */
  values: number;
  over: boolean;
}

/**
 * One question, followed until `stop`. At most one request is under way, but for the moment in which a fresh stream takes
 * over from one that has long been silent: namerd sends no heartbeat, so a dead peer shows in no other way, and the
 * old stream goes only when the new one has given a value.
 *
 * Each value is a whole answer, so that those that come faster than `Pace` allows are dropped unread, but for the last.
 */
export class NamerdWatch<T> {
  readonly #question: NamerdQuestion<T>;
  readonly #deps: NamerdDeps;
  readonly #report: (answer: T | NoAnswer) => void;
  readonly #backoff: Backoff;
  readonly #pace: Pace;
  /** The way that is asked now, and those that are left where the server does not know it. */
  #ways: NamerdQuestion<T>["ways"];
  #current: Attempt<T> | undefined;
  #fresh: Attempt<T> | undefined;
  #cancelTimer: Cancel | undefined;
  #cancelFresh: Cancel | undefined;
  #watchRefused = false;
  #reported = false;
  #blemishes = "0 0";

  /** Begins at once. */
  constructor(
    question: NamerdQuestion<T>,
    deps: NamerdDeps,
    report: (answer: T | NoAnswer) => void,
  ) {
    this.#question = question;
    this.#ways = question.ways;
    this.#pace = new Pace(deps.clock);
    this.#deps = deps;
    this.#report = report;
    const { least, most } = LAST_RETRY_MS;
    const maxMs = Math.min(Math.max(question.periodMs, least), most);
    this.#backoff = new Backoff({ baseMs: FIRST_RETRY_MS, maxMs }, deps.rng);
    this.#ask();
  }

  /** Ends everything at once: no request, no timer, no report is left. */
  stop(): void {
    this.#setTimer(undefined);
    this.#pace.drop();
    this.#dropFresh();
    if (this.#current !== undefined) close(this.#current);
    this.#current = undefined;
  }

  #ask(): void {
    this.#current = this.#attempt();
  }

  #attempt(): Attempt<T> {
    const [way] = this.#ways;
    const watch = !this.#watchRefused;
    const options = {
      url: watch ? `${way.url}&watch=true` : way.url,
      peer: `namerd at ${this.#question.namerd}`,
      framing: "lines",
      timeoutMs: this.#question.requestTimeoutMs,
      whole: !watch,
      clock: this.#deps.clock,
    } as const;
    const exchange = new HttpExchange(options, {
      head: () => this.#onHead(attempt),
      text: (text) => this.#onText(attempt, text),
      end: (end) => {
        // What waits for its turn came before the end: perhaps the line that says why it ended.
        this.#pace.flush();
        if (!attempt.over) this.#onEnd(attempt, end);
      },
    });
    const startMs = this.#deps.clock.now();
    const attempt: Attempt<T> = {
      exchange,
      way,
      watch,
      startMs,
      headMs: undefined,
      values: 0,
      over: false,
    };
    return attempt;
  }

  #onHead(attempt: Attempt<T>): void {
    attempt.headMs = this.#deps.clock.now();
    // The old stream never gave a value either: there is nothing to lose with it.
    if (attempt === this.#fresh && this.#current?.values === 0) this.#promote();
    if (attempt !== this.#current || !attempt.watch) return;
    this.#armRefresh(this.#silenceMs());
    // namerd answers a pending name with a head and nothing after it.
    if (!this.#reported) this.#tell({ state: "pending" });
  }

  #onText(attempt: Attempt<T>, text: string): undefined {
    // The line of plain text by which namerd tells of a failure is not held up, nor is the answer before it.
    if (!text.startsWith("{")) {
      this.#pace.flush();
      return this.#read(attempt, text);
    }
    attempt.values++;
    if (attempt.values === 1) this.#observeLatency(attempt);
    this.#pace.offer(() => this.#read(attempt, text));
  }

  #read(attempt: Attempt<T>, text: string): undefined {
    if (attempt.over) return;
    const reading = attempt.way.read(text);
    if (reading.ok) return this.#onAnswer(attempt, reading);
    close(attempt);
    this.#onEnd(attempt, { how: "failed", cause: reading.cause }, reading.isUnknownWay);
  }

  #onAnswer(attempt: Attempt<T>, reading: NamerdReading<T> & { readonly ok: true }): undefined {
    if (attempt === this.#fresh) this.#promote();
    if (attempt.watch) this.#armRefresh(this.#silenceMs());
    this.#noteBlemishes(reading);
    const { goodForMs } = attempt.way;
    if (goodForMs !== undefined) this.#restFor(attempt, goodForMs);
    this.#tell(reading.answer);
  }

  #restFor(attempt: Attempt<T>, goodForMs: number): void {
    close(attempt);
    this.#dropFresh();
    this.#current = undefined;
    this.#ways = this.#question.ways;
    this.#backoff.reset();
    this.#askIn(this.#spread(goodForMs));
  }

  #onEnd(attempt: Attempt<T>, end: ExchangeEnd, isUnknownWay = false): void {
    attempt.over = true;
    if (attempt.values === 0) this.#observeLatency(attempt);
    if (attempt === this.#fresh) {
      this.#dropFresh();
      return this.#armRefresh(this.#question.periodMs);
    }
    this.#current = undefined;
    this.#setTimer(undefined);
    if (this.#fresh !== undefined) return this.#promote();
    const lifeMs = this.#deps.clock.now() - (attempt.headMs ?? attempt.startMs);
    if (attempt.values > 0 && lifeMs >= STEADY_LIFE_MS) this.#backoff.reset();
    if (isUnknownWay && this.#takeNextWay()) return;
    if (end.how === "failed") return this.#onFailure(attempt, end.cause, end.status);
    if (attempt.values === 0) return this.#onFailure(attempt, "namerd gave an empty answer");
    if (attempt.watch && (attempt.values > 1 || lifeMs >= SHORT_LIFE_MS)) {
      return this.#askIn(this.#backoff.next());
    }
    this.#backoff.reset();
    this.#askIn(this.#question.periodMs);
  }

  #onFailure(attempt: Attempt<T>, cause: string, status = 0): void {
    if (WAY_UNKNOWN.has(status) && this.#takeNextWay()) return;
    if (attempt.watch && attempt.values === 0 && WATCH_REFUSED.has(status)) {
      this.#watchRefused = true;
      return this.#ask();
    }
    // Whatever answers next may be another namerd, which streams and knows all ways.
    this.#watchRefused = false;
    this.#ways = this.#question.ways;
    this.#askIn(this.#backoff.next());
    this.#tell({ state: "failed", cause });
  }

  /** Asks by the next way, if there is one. */
  #takeNextWay(): boolean {
    const [, next, ...others] = this.#ways;
    if (next === undefined) return false;
    this.#ways = [next, ...others];
    this.#deps.log.debug("asking in the way of older servers", () => this.#labels);
    this.#ask();
    return true;
  }

  #askIn(delayMs: number): void {
    this.#setTimer(this.#deps.clock.after(delayMs, () => this.#ask()));
  }

  #armRefresh(delayMs: number): void {
    this.#setTimer(this.#deps.clock.after(delayMs, () => this.#refresh()));
  }

  #refresh(): void {
    // Where the deadline of a request is longer than the silence, the one under way is enough.
    if (this.#fresh !== undefined) return;
    this.#deps.log.debug("replacing a silent stream", () => this.#labels);
    this.#fresh = this.#attempt();
    // Its head may come without a value; the old stream then stays the one.
    this.#cancelFresh = this.#deps.clock.after(this.#question.requestTimeoutMs, () => {
      this.#dropFresh();
      this.#armRefresh(this.#question.periodMs);
    });
  }

  #promote(): void {
    const fresh = this.#fresh;
    this.#cancelFresh?.();
    this.#fresh = undefined;
    if (this.#current !== undefined) close(this.#current);
    this.#current = fresh;
    this.#armRefresh(this.#silenceMs());
  }

  #dropFresh(): void {
    this.#cancelFresh?.();
    if (this.#fresh !== undefined) close(this.#fresh);
    this.#fresh = undefined;
  }

  #silenceMs(): number {
    return this.#spread(Math.max(SILENT_PERIODS * this.#question.periodMs, LEAST_SILENCE_MS));
  }

  /** So that the names of a process do not all come at once, nor those of many processes. */
  #spread(ms: number): number {
    return ms * (0.9 + this.#deps.rng.next() * 0.2);
  }

  #setTimer(cancel: Cancel | undefined): void {
    this.#cancelTimer?.();
    this.#cancelTimer = cancel;
  }

  #observeLatency(attempt: Attempt<T>): void {
    this.#deps.metrics.observeLatency(this.#deps.clock.now() - attempt.startMs);
  }

  #noteBlemishes({
    skipped,
    repaired,
  }: {
    readonly skipped: number;
    readonly repaired: number;
  }): void {
    this.#deps.metrics.skip(skipped);
    const blemishes = `${skipped} ${repaired}`;
    if (blemishes === this.#blemishes) return;
    this.#blemishes = blemishes;
    if (skipped + repaired === 0) return;
    this.#deps.log.warn("namerd gave addresses or weights that cannot be used as they are", () => ({
      ...this.#labels,
      skipped,
      weightsReplaced: repaired,
    }));
  }

  get #labels(): { readonly namerd: string; readonly path: string } {
    const { namerd, path } = this.#question;
    return { namerd, path };
  }

  #tell(answer: T | NoAnswer): void {
    this.#reported = true;
    this.#report(answer);
  }
}

/** Ends it without a word. */
function close(attempt: Attempt<unknown>): void {
  attempt.over = true;
  attempt.exchange.close();
}
