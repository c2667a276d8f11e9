// Follows one name in namerd: a stream where the server streams, polls where it does not, new attempts where it fails.
import { Backoff } from "../lib/backoff.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { Logger } from "../telemetry/log.ts";
import { type ExchangeEnd, HttpExchange } from "./http-exchange.ts";
import type { ResolverMetrics } from "./metrics.ts";
import { type NamerdAnswer, parseNamerdAnswer } from "./namerd-answer.ts";

/** How to ask namerd for one name. */
export interface NamerdQuestion {
  /** Where a request without `watch` goes. */
  readonly url: string;
  readonly path: string;
  readonly periodMs: number;
  readonly requestTimeoutMs: number;
}

export interface NamerdDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: ResolverMetrics;
}

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

interface Attempt {
  readonly exchange: HttpExchange;
  readonly watch: boolean;
  readonly startMs: number;
  /** When its head came. */
  headMs: number | undefined;
  values: number;
}

/**
 * One name, followed until `stop`. At most one request is under way, but for the moment in which a fresh stream takes
 * over from one that has long been silent: namerd sends no heartbeat, so a dead peer shows in no other way, and the
 * old stream goes only when the new one has given a value.
 */
export class NamerdWatch {
  readonly #question: NamerdQuestion;
  readonly #deps: NamerdDeps;
  readonly #report: (resolution: Resolution) => void;
  readonly #backoff: Backoff;
  #current: Attempt | undefined;
  #fresh: Attempt | undefined;
  #cancelTimer: Cancel | undefined;
  #cancelFresh: Cancel | undefined;
  #watchRefused = false;
  #reported = false;
  #blemishes = "0 0";

  /** Begins at once. */
  constructor(
    question: NamerdQuestion,
    deps: NamerdDeps,
    report: (resolution: Resolution) => void,
  ) {
    this.#question = question;
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
    this.#dropFresh();
    this.#current?.exchange.close();
    this.#current = undefined;
  }

  #ask(): void {
    this.#current = this.#attempt();
  }

  #attempt(): Attempt {
    const { url, requestTimeoutMs } = this.#question;
    const watch = !this.#watchRefused;
    const options = {
      url: watch ? `${url}&watch=true` : url,
      peer: "namerd",
      framing: "lines",
      timeoutMs: requestTimeoutMs,
      whole: !watch,
      clock: this.#deps.clock,
    } as const;
    const exchange = new HttpExchange(options, {
      head: () => this.#onHead(attempt),
      text: (text) => {
        const answer = parseNamerdAnswer(text);
        // A namer that fails ends its stream with a line of plain text; what else is no answer is no better.
        if (answer.garbage && answer.resolution.state === "failed") return answer.resolution.cause;
        this.#onAnswer(attempt, answer);
        return undefined;
      },
      end: (end) => this.#onEnd(attempt, end),
    });
    const startMs = this.#deps.clock.now();
    const attempt: Attempt = { exchange, watch, startMs, headMs: undefined, values: 0 };
    return attempt;
  }

  #onHead(attempt: Attempt): void {
    attempt.headMs = this.#deps.clock.now();
    // The old stream never gave a value either: there is nothing to lose with it.
    if (attempt === this.#fresh && this.#current?.values === 0) this.#promote();
    if (attempt !== this.#current || !attempt.watch) return;
    this.#armRefresh(this.#silenceMs());
    // namerd answers a pending name with a head and nothing after it.
    if (!this.#reported) this.#tell({ state: "pending" });
  }

  #onAnswer(attempt: Attempt, answer: NamerdAnswer): void {
    attempt.values++;
    if (attempt.values === 1) this.#observeLatency(attempt);
    if (attempt === this.#fresh) this.#promote();
    if (attempt.watch) this.#armRefresh(this.#silenceMs());
    this.#noteBlemishes(answer);
    this.#tell(answer.resolution);
  }

  #onEnd(attempt: Attempt, end: ExchangeEnd): void {
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
    if (end.how === "failed") return this.#onFailure(attempt, end.cause, end.status);
    if (attempt.values === 0) return this.#onFailure(attempt, "namerd gave an empty answer");
    if (attempt.watch && (attempt.values > 1 || lifeMs >= SHORT_LIFE_MS)) {
      return this.#askIn(this.#backoff.next());
    }
    this.#backoff.reset();
    this.#askIn(this.#question.periodMs);
  }

  #onFailure(attempt: Attempt, cause: string, status?: number): void {
    if (attempt.watch && attempt.values === 0 && WATCH_REFUSED.has(status ?? 0)) {
      this.#watchRefused = true;
      return this.#ask();
    }
    // Whatever answers next may be another namerd, and stream.
    this.#watchRefused = false;
    this.#askIn(this.#backoff.next());
    this.#tell({ state: "failed", cause });
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
    const { requestTimeoutMs, path } = this.#question;
    this.#deps.log.debug("replacing a silent stream", () => ({ path }));
    this.#fresh = this.#attempt();
    // Its head may come without a value; the old stream then stays the one.
    this.#cancelFresh = this.#deps.clock.after(requestTimeoutMs, () => {
      this.#dropFresh();
      this.#armRefresh(this.#question.periodMs);
    });
  }

  #promote(): void {
    const fresh = this.#fresh;
    this.#cancelFresh?.();
    this.#fresh = undefined;
    this.#current?.exchange.close();
    this.#current = fresh;
    this.#armRefresh(this.#silenceMs());
  }

  #dropFresh(): void {
    this.#cancelFresh?.();
    this.#fresh?.exchange.close();
    this.#fresh = undefined;
  }

  /** Spread, so that the names of a process do not all come at once, nor those of many processes. */
  #silenceMs(): number {
    const silenceMs = Math.max(SILENT_PERIODS * this.#question.periodMs, LEAST_SILENCE_MS);
    return silenceMs * (0.9 + this.#deps.rng.next() * 0.2);
  }

  #setTimer(cancel: Cancel | undefined): void {
    this.#cancelTimer?.();
    this.#cancelTimer = cancel;
  }

  #observeLatency(attempt: Attempt): void {
    this.#deps.metrics.observeLatency(this.#deps.clock.now() - attempt.startMs);
  }

  #noteBlemishes({ skipped, repaired }: NamerdAnswer): void {
    this.#deps.metrics.skip(skipped);
    const blemishes = `${skipped} ${repaired}`;
    if (blemishes === this.#blemishes) return;
    this.#blemishes = blemishes;
    if (skipped + repaired === 0) return;
    const { path } = this.#question;
    this.#deps.log.warn("namerd gave addresses that cannot be used as they are", () => ({
      path,
      skipped,
      weightsReplaced: repaired,
    }));
  }

  #tell(resolution: Resolution): void {
    this.#reported = true;
    this.#report(resolution);
  }
}
