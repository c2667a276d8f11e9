// One request to namerd and the answers to it: one, or a stream of them. Owns its connection and its deadlines.
import type { Cancel, Clock } from "../lib/clock.ts";
import { JsonLines } from "./json-lines.ts";
import { type NamerdAnswer, parseNamerdAnswer } from "./namerd-answer.ts";

/** Longest answer that is read: some 200,000 addresses. */
const MAX_LINE_BYTES = 16 * 2 ** 20;

/** How an exchange ended. */
export type ExchangeEnd =
  | { readonly how: "complete" }
  | {
      readonly how: "failed";
      /** One sentence for people. */
      readonly cause: string;
      /** The HTTP status, where that was the failure. */
      readonly status?: number;
    };

/** Who listens to an exchange. Nothing is called after `close`. */
export interface ExchangeListener {
  /** The head of a good answer came. */
  head(): void;
  /** A whole answer came, and it is none of those that `end` tells. */
  answer(answer: NamerdAnswer): void;
  /** It is over: called once. */
  end(end: ExchangeEnd): void;
}

export interface ExchangeOptions {
  readonly url: string;
  /**
   * Time to the head of the answer. Also to its end, where `whole` is set or the head tells a length; and from the
   * beginning of each line of a stream to its end. Between the lines of a stream silence is normal, for ever.
   */
  readonly timeoutMs: number;
  /** Whether one whole answer is expected, rather than a stream. */
  readonly whole: boolean;
  readonly clock: Clock;
}

/** An exchange under way. */
export class NamerdExchange {
  readonly #options: ExchangeOptions;
  readonly #listener: ExchangeListener;
  readonly #abort = new AbortController();
  readonly #lines = new JsonLines(MAX_LINE_BYTES);
  #whole: boolean;
  #over = false;
  #cancelDeadline: Cancel | undefined;

  /** Sends the request. */
  constructor(options: ExchangeOptions, listener: ExchangeListener) {
    this.#options = options;
    this.#listener = listener;
    this.#whole = options.whole;
    this.#armDeadline(`namerd did not answer within ${options.timeoutMs} ms`);
    void this.#run();
  }

  /** Ends it at once, without a word: the connection is closed and the listener is not called any more. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#disarm();
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    let reached = false;
    // The listener hears nothing before the constructor has returned, not even that the URL is no URL.
    await Promise.resolve();
    if (this.#over) return;
    try {
      // Bun ends a silent stream after 360 s unless told not to. A connection is not kept
      // for the next request, which comes much later: an idle one may have died unseen by then.
      const response = await fetch(this.#options.url, {
        headers: { accept: "application/json", "accept-encoding": "identity" },
        keepalive: false,
        redirect: "manual",
        signal: this.#abort.signal,
        ...{ timeout: false },
      });
      reached = true;
      if (this.#over) return;
      await this.#read(response);
    } catch (error) {
      const what = reached ? "the connection to namerd broke" : "cannot reach namerd";
      this.#fail(`${what} (${codeOf(error)})`);
    }
  }

  async #read(response: Response): Promise<void> {
    // The body is not awaited: namerd sends some errors without an end.
    if (response.status !== 200) {
      return this.#fail(`namerd answered with HTTP status ${response.status}`, response.status);
    }
    this.#whole ||= response.headers.has("content-length");
    if (!this.#whole) this.#disarm();
    this.#listener.head();
    const reader = response.body?.getReader();
    for (;;) {
      if (this.#over) return;
      const part = await reader?.read();
      if (this.#over) return;
      if (part?.value === undefined) break;
      this.#take(part.value);
      // A source that never pauses must not keep timers, signals and the admin server from their turn.
      await Bun.sleep(0);
    }
    const rest = this.#lines.end();
    if (rest !== undefined) this.#answer(rest);
    this.#end({ how: "complete" });
  }

  #take(bytes: Uint8Array): void {
    const { lines, tooLong } = this.#lines.push(bytes);
    for (const line of lines) {
      this.#answer(line);
      if (this.#over) return;
    }
    if (tooLong) {
      return this.#fail(`namerd sent an answer of more than ${MAX_LINE_BYTES} bytes`);
    }
    this.#watchLine(lines.length > 0);
  }

  /** A line that has begun must end in time, or a connection that died in its middle would never be noticed. */
  #watchLine(anew: boolean): void {
    if (this.#whole) return;
    if (anew || !this.#lines.midLine) this.#disarm();
    if (this.#lines.midLine && this.#cancelDeadline === undefined) {
      this.#armDeadline(
        `namerd began an answer and did not end it within ${this.#options.timeoutMs} ms`,
      );
    }
  }

  #answer(text: string): void {
    if (this.#over) return;
    const answer = parseNamerdAnswer(text);
    // A namer that fails ends its stream with a line of plain text; what else is no answer is no better.
    if (answer.garbage && answer.resolution.state === "failed") {
      return this.#fail(answer.resolution.cause);
    }
    this.#listener.answer(answer);
  }

  #armDeadline(cause: string): void {
    this.#cancelDeadline = this.#options.clock.after(this.#options.timeoutMs, () =>
      this.#fail(cause),
    );
  }

  #disarm(): void {
    this.#cancelDeadline?.();
    this.#cancelDeadline = undefined;
  }

  #fail(cause: string, status?: number): void {
    this.#end({ how: "failed", cause, ...(status === undefined ? {} : { status }) });
  }

  #end(end: ExchangeEnd): void {
    if (this.#over) return;
    this.close();
    this.#listener.end(end);
  }
}

function codeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error) {
    if (typeof error.code === "string") return error.code;
  }
  return error instanceof Error ? error.name : "unknown error";
}
