// One request over HTTP and its answer: one body, or a stream of lines. Owns its connection and its deadlines.
import type { Cancel, Clock } from "../lib/clock.ts";
import { JsonLines } from "./json-lines.ts";
import { quote } from "./quote.ts";

/** Longest line or body that is read: some 200,000 addresses. */
const MAX_BYTES = 16 * 2 ** 20;

/** How long the reason of a refusal may take after its head; a server may send none, and never end. */
export const REASON_MS = 500;
/** How much of a reason is read: more than `quote` shows. */
const REASON_BYTES = 1_024;

/** How Bun says that it has no connection; others, such as ECONNRESET, may come after the request has gone out. */
const NEVER_CONNECTED = new Set(["ECONNREFUSED", "ENOTFOUND"]);

/** How an exchange ended. */
export type ExchangeEnd =
  | { readonly how: "complete" }
  | {
      readonly how: "failed";
      /** One sentence for people, with the beginning of what the server said of a refusal. */
      readonly cause: string;
      /** The HTTP status, where that was the failure. */
      readonly status?: number;
      /** That no connection came about: the request was certainly not sent. */
      readonly unsent?: true;
    };

/** Who listens to an exchange. Nothing is called after `close`, and nothing before the constructor has returned. */
export interface ExchangeListener {
  /** The head of a good answer (status 200) came. */
  head(headers: Headers): void;
  /**
   * A whole line came, or the whole body where `framing` is `body`: trimmed, never empty. Answers why the exchange has
   * failed, where the text is none that can be used: one sentence for people, which `end` gets.
   */
  text(text: string): string | undefined;
  /** It is over; called once. */
  end(end: ExchangeEnd): void;
}

/** How to trust a server that is asked over https; what is absent is the system's. */
export interface HttpTls {
  /** PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Name that is asked for and verified, instead of the URL's host. */
  readonly serverName?: string;
  /** Accept any certificate. */
  readonly insecure?: boolean;
}

export interface ExchangeOptions {
  readonly url: string;
  /** Who is asked, as causes name it: `namerd`, `Consul`. */
  readonly peer: string;
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly tls?: HttpTls;
  readonly framing: "lines" | "body";
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
export class HttpExchange {
  readonly #options: ExchangeOptions;
  readonly #listener: ExchangeListener;
  readonly #abort = new AbortController();
  readonly #lines: JsonLines;
  #whole: boolean;
  #over = false;
  readonly #startMs: number;
  #cancelDeadline: Cancel | undefined;

  /** Sends the request. */
  constructor(options: ExchangeOptions, listener: ExchangeListener) {
    this.#options = options;
    this.#listener = listener;
    this.#whole = options.whole;
    this.#startMs = options.clock.now();
    this.#lines = new JsonLines(MAX_BYTES, options.framing);
    this.#armDeadline(`${options.peer} did not answer within ${options.timeoutMs} ms`);
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
    const { url, peer } = this.#options;
    try {
      const response = await fetch(url, this.#request());
      reached = true;
      if (this.#over) return;
      await this.#read(response);
    } catch (error) {
      const what = reached ? `the connection to ${peer} broke` : `cannot reach ${peer}`;
      const code = codeOf(error);
      const unsent = !reached && NEVER_CONNECTED.has(code);
      this.#end({ how: "failed", cause: `${what} (${code})`, ...(unsent && { unsent }) });
    }
  }

  #request(): BunFetchRequestInit {
    const { method = "GET", headers, body, tls } = this.#options;
    return {
      method,
      headers: { accept: "application/json", "accept-encoding": "identity", ...headers },
      // A connection is not kept for the next request, which comes much later: an idle one may have died unseen by then.
      keepalive: false,
      redirect: "manual",
      signal: this.#abort.signal,
      ...(body !== undefined && { body }),
      ...(tls !== undefined && { tls: bunTls(tls) }),
      // Bun ends a silent stream after 360 s unless told not to.
      ...{ timeout: false },
    };
  }

  async #read(response: Response): Promise<void> {
    if (response.status !== 200) return this.#readRefusal(response);
    this.#whole ||= response.headers.has("content-length");
    if (!this.#whole) this.#disarm();
    this.#listener.head(response.headers);
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
    if (rest !== undefined) this.#give(rest);
    this.#end({ how: "complete" });
  }

  /** Waits for the first piece of the body, but not long, nor for its end: namerd sends some errors without one. */
  async #readRefusal({ status, body }: Response): Promise<void> {
    const { peer, clock, timeoutMs } = this.#options;
    const refused = `${peer} answered with HTTP status ${status}`;
    this.#disarm();
    const leftMs = this.#startMs + timeoutMs - clock.now();
    const waitMs = Math.min(REASON_MS, leftMs);
    this.#cancelDeadline = clock.after(waitMs, () => this.#fail(refused, status));
    const reason = await firstText(body);
    this.#fail(reason === "" ? refused : `${refused}: ${reason}`, status);
  }

  #take(bytes: Uint8Array): void {
    const { lines, tooLong } = this.#lines.push(bytes);
    for (const line of lines) {
      this.#give(line);
      if (this.#over) return;
    }
    if (tooLong) {
      return this.#fail(`${this.#options.peer} sent an answer of more than ${MAX_BYTES} bytes`);
    }
    this.#watchLine(lines.length > 0);
  }

  /** A line that has begun must end in time, or a connection that died in its middle would never be noticed. */
  #watchLine(anew: boolean): void {
    if (this.#whole) return;
    const { peer, timeoutMs } = this.#options;
    if (anew || !this.#lines.midLine) this.#disarm();
    if (this.#lines.midLine && this.#cancelDeadline === undefined) {
      this.#armDeadline(`${peer} began an answer and did not end it within ${timeoutMs} ms`);
    }
  }

  #give(text: string): void {
    if (this.#over) return;
    const cause = this.#listener.text(text);
    if (cause !== undefined) this.#fail(cause);
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

/** What a body begins with, for people; "" where there is nothing of it, or nothing to read. Never rejects. */
async function firstText(body: Response["body"]): Promise<string> {
  try {
    const part = await body?.getReader().read();
    const bytes = part?.value?.subarray(0, REASON_BYTES);
    // As of a stream: a character that was cut is left out.
    return quote(new TextDecoder().decode(bytes, { stream: true }).trim()).trim();
  } catch {
    // The connection broke. What was refused is known all the same.
    return "";
  }
}

function bunTls({ ca, cert, key, serverName, insecure }: HttpTls): BunFetchRequestInitTLS {
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(serverName !== undefined && { serverName }),
    rejectUnauthorized: insecure !== true,
  };
}

function codeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error) {
    if (typeof error.code === "string") return error.code;
  }
  return error instanceof Error ? error.name : "unknown error";
}
