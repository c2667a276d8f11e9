// Talks to etcd over its JSON gateway (/v3): one request at a time, or a watch. Owns which member is asked.
import type { Clock } from "../../lib/clock.ts";
import {
  type EtcdMessage,
  type EtcdParsed,
  type EtcdRange,
  type EtcdTxn,
  parseDelete,
  parsePut,
  parseRange,
  parseTxn,
  parseWatchLine,
} from "./etcd-answer.ts";
import {
  type ExchangeEnd,
  type ExchangeOptions,
  HttpExchange,
  type HttpTls,
} from "../http-exchange.ts";

/** One key, or all from `key` up to but without `end`. Bytes, one character each (U+0000 to U+00FF). */
export interface KeyRange {
  readonly key: string;
  readonly end: string | undefined;
}

/** A condition and what is done if it holds; if not, the key is read. */
export interface EtcdGuardedPut {
  readonly key: string;
  readonly value: string;
  /** The revision that the key must have been written at last, from 1; 0 for a key that must not exist. */
  readonly modRevision: bigint;
}

export type EtcdResult<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      /** One sentence for people. */
      readonly cause: string;
      /** Whether a write may have been done all the same. */
      readonly mayBeDone: boolean;
    };

/** Who listens to a watch. Nothing is called after `close`, and nothing before `watch` has returned. */
export interface EtcdWatchListener {
  message(message: EtcdMessage): void;
  /** It is over; called once. `cause`: one sentence for people. */
  end(cause: string): void;
}

/** Something under way. */
export interface Closable {
  /** Ends it at once, without a word. */
  close(): void;
}

export interface EtcdClientConfig {
  /** http or https URLs of the members without a path, one or more, in the order in which they are tried. */
  readonly baseUrls: readonly string[];
  /** undefined for the system's. */
  readonly tls: HttpTls | undefined;
}

/** Time to an answer, and to the head of a watch. etcd itself gives up a request that finds no quorum after 7 s. */
export const ETCD_TIMEOUT_MS = 8_000;

/** What requests for one answer and watches have in common. */
type Request = Omit<ExchangeOptions, "framing" | "whole">;

/** How one attempt at one member ended, without an answer. */
interface Miss {
  readonly cause: string;
  /** Whether the member may have done what it was asked for. */
  readonly mayBeDone: boolean;
}

/**
 * Asks one member until it fails, then the next one. A read is tried at every member before it fails; a write goes on to
 * another only if the one before has certainly not done it. Texts are written as UTF-8.
 */
export class EtcdClient {
  readonly #config: EtcdClientConfig;
  readonly #clock: Clock;
  #member = 0;

  constructor(config: EtcdClientConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  /** Reads keys with their values or without, in their order, from a majority of the members. */
  range(
    { key, end }: KeyRange,
    signal: AbortSignal,
    keysOnly = false,
  ): Promise<EtcdResult<EtcdRange>> {
    const body = {
      key: encodeKey(key),
      ...(end !== undefined && { range_end: encodeKey(end) }),
      ...(keysOnly && { keys_only: true }),
    };
    return this.#ask("/v3/kv/range", body, parseRange, signal);
  }

  put(key: string, value: string, signal: AbortSignal): Promise<EtcdResult<undefined>> {
    const body = { key: encodeKey(key), value: encodeText(value) };
    return this.#ask("/v3/kv/put", body, parsePut, signal);
  }

  /** Deletes one key; gives how many were deleted. */
  delete(key: string, signal: AbortSignal): Promise<EtcdResult<bigint>> {
    return this.#ask("/v3/kv/deleterange", { key: encodeKey(key) }, parseDelete, signal);
  }

  /** Writes if the condition holds, in one step. */
  guardedPut(put: EtcdGuardedPut, signal: AbortSignal): Promise<EtcdResult<EtcdTxn>> {
    const key = encodeKey(put.key);
    const guard = { key, result: "EQUAL", target: "MOD", mod_revision: `${put.modRevision}` };
    const body = {
      compare: [guard],
      success: [{ request_put: { key, value: encodeText(put.value) } }],
      failure: [{ request_range: { key, keys_only: true } }],
    };
    return this.#ask("/v3/kv/txn", body, parseTxn, signal);
  }

  /** Follows the changes of a range from `revision` on; the end of a watch makes the next member be asked. */
  watch({ key, end }: KeyRange, revision: bigint, listener: EtcdWatchListener): Closable {
    const url = this.#url;
    const create = {
      key: encodeKey(key),
      ...(end !== undefined && { range_end: encodeKey(end) }),
      start_revision: `${revision}`,
      progress_notify: true,
      fragment: true,
    };
    const request = this.#request(url, "/v3/watch", { create_request: create });
    // A member that is cut off from the others would otherwise keep the watch open and tell nothing.
    const headers = { ...request.headers, "grpc-metadata-hasleader": "true" };
    return new HttpExchange(
      { ...request, headers, framing: "lines", whole: false },
      {
        head() {},
        text(line) {
          const message = parseWatchLine(line);
          if (!message.ok) return message.cause;
          listener.message(message.value);
          return undefined;
        },
        end: (how) => {
          this.#failed(url);
          listener.end(how.how === "failed" ? how.cause : "etcd ended the watch");
        },
      },
    );
  }

  async #ask<T>(
    path: string,
    body: object,
    parse: (text: string) => EtcdParsed<T>,
    signal: AbortSignal,
  ): Promise<EtcdResult<T>> {
    const isRead = path === "/v3/kv/range";
    let miss: Miss = { cause: "nobody waits for the answer of etcd", mayBeDone: false };
    for (const _ of this.#config.baseUrls) {
      if (signal.aborted) break;
      const url = this.#url;
      const outcome = await this.#attempt(this.#request(url, path, body), parse, signal);
      if ("value" in outcome) return { ok: true, value: outcome.value };
      miss = outcome;
      if (signal.aborted) break;
      this.#failed(url);
      if (miss.mayBeDone && !isRead) break;
    }
    return { ok: false, ...miss };
  }

  #attempt<T>(
    options: Request,
    parse: (text: string) => EtcdParsed<T>,
    signal: AbortSignal,
  ): Promise<{ readonly value: T } | Miss> {
    const { promise, resolve } = Promise.withResolvers<{ readonly value: T } | Miss>();
    let value: { readonly value: T } | undefined;
    const exchange = new HttpExchange(
      { ...options, framing: "body", whole: true },
      {
        head() {},
        text(text) {
          const parsed = parse(text);
          if (!parsed.ok) return parsed.cause;
          value = { value: parsed.value };
          return undefined;
        },
        end(end) {
          signal.removeEventListener("abort", abort);
          resolve(value ?? missOf(end));
        },
      },
    );
    const abort = (): void => {
      exchange.close();
      resolve({ cause: "nobody waits for the answer of etcd any more", mayBeDone: true });
    };
    signal.addEventListener("abort", abort, { once: true });
    return promise;
  }

  #request(url: string, path: string, body: object): Request {
    const { tls } = this.#config;
    return {
      url: `${url}${path}`,
      peer: `etcd at ${URL.parse(url)?.host ?? "a URL that is none"}`,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(tls !== undefined && { tls }),
      timeoutMs: ETCD_TIMEOUT_MS,
      clock: this.#clock,
    };
  }

  get #url(): string {
    const { baseUrls } = this.#config;
    return baseUrls[this.#member % baseUrls.length] ?? "";
  }

  /** The next request goes to the next member, unless another has seen to that already. */
  #failed(url: string): void {
    if (url === this.#url) this.#member = (this.#member + 1) % this.#config.baseUrls.length;
  }
}

/** All keys that begin with `prefix`, which ends in a slash. */
export function keysBelow(prefix: string): KeyRange {
  // The first key that no longer begins with it: the slash is followed by 0 in ASCII.
  return { key: prefix, end: `${prefix.slice(0, -1)}0` };
}

function missOf(end: ExchangeEnd): Miss {
  if (end.how === "complete") return { cause: "etcd gave an empty answer", mayBeDone: true };
  const { cause, status = 0, unsent = false } = end;
  // 4xx: refused, but for 408, which is how the gateway says that a request was cut off.
  const refused = status >= 400 && status < 500 && status !== 408;
  return { cause, mayBeDone: !unsent && !refused };
}

function encodeKey(key: string): string {
  return Buffer.from(key, "latin1").toString("base64");
}

function encodeText(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
