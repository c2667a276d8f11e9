// A session's wait for an endpoint: attempts one endpoint after the other until one is reached or the session leaves.
import type { Backoff } from "../lib/backoff.ts";
import type { Cancel } from "../lib/clock.ts";
import type { ConnectFailure } from "../transport/connector.ts";
import type { Socket } from "../transport/socket.ts";
import type { ConnectionObserver, EndpointConnection } from "./connection.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EndpointLimit, PlaceWaiter } from "./endpoint-limit.ts";
import type { Retrier, RetryQueue } from "./retry-queue.ts";

/** Why a session gets no endpoint. */
export type RefuseReason = "no_endpoint" | "queue_full";

/** Who waits for a connection to an endpoint. */
export interface Waiter {
  /** A hash of the client's address, a 32-bit integer. Asked for once, and only where picks go by it. */
  clientHash(): number;
  /**
   * What the endpoint gets first of all. It is sent before TLS where there is TLS; else the waiter sends it, with what
   * else it has to say.
   */
  readonly preamble?: Uint8Array | undefined;
  /** The connection stands: the waiter takes over the socket's `data`. `early` was said by the endpoint already. */
  onEndpoint(connection: EndpointConnection, socket: Socket, early: readonly Uint8Array[]): void;
  onRefused(reason: RefuseReason): void;
}

/** What a wait needs of the balancer. */
export interface WaitSource {
  /** Whether `connect` looks at the hash of the client. */
  readonly byClient: boolean;
  /** Endpoints that are resolved now. */
  readonly size: number;
  readonly retries: RetryQueue;
  /** Undefined where endpoints have no limit. */
  readonly limit: EndpointLimit | undefined;
  /** Begins a connection to an endpoint other than those tried; undefined when there is no such endpoint. */
  connect(
    observer: ConnectionObserver,
    tried: readonly Endpoint[],
    client: number,
    preamble: Uint8Array | undefined,
  ): EndpointConnection | undefined;
  /** Those of `tried` that are to be passed over after a wait for the budget. */
  stillTried(tried: readonly Endpoint[]): Endpoint[];
  /** No endpoint can be tried: parks the wait, or refuses it. */
  onNoEndpoint(wait: Wait): void;
  /** Delays between rounds, when every endpoint has been tried. */
  newBackoff(): Backoff;
  after(delayMs: number, run: () => void): Cancel;
  succeeded(connection: EndpointConnection): void;
  failed(connection: EndpointConnection, failure: ConnectFailure, detail: string): void;
  /** The wait is over. */
  leave(wait: Wait): void;
}

const NONE: readonly Endpoint[] = [];
/** Attempts that may fail one after the other before there is a pause. */
const ATTEMPTS_AT_ONCE = 8;

/** One wait. It ends with a connection, a refusal, or `cancel`. */
export class Wait implements ConnectionObserver, Retrier, PlaceWaiter {
  readonly #source: WaitSource;
  readonly #waiter: Waiter;
  readonly #client: number;
  /** In this round. Most waits try one endpoint, and need no list. */
  #tried: Endpoint[] | undefined;
  #connection: EndpointConnection | undefined;
  #backoff: Backoff | undefined;
  #cancelDelay: Cancel | undefined;
  /** What the attempt under way is, or the last one was. */
  #attempt: "none" | "first" | "retry" = "none";
  #over = false;

  constructor(source: WaitSource, waiter: Waiter) {
    this.#source = source;
    this.#waiter = waiter;
    this.#client = source.byClient ? waiter.clientHash() : 0;
  }

  /** Tries an endpoint now if none is being tried: at the start, and when there is something new to try. */
  advance(): void {
    if (this.#over || this.#connection !== undefined) return;
    this.#cancelDelay?.();
    this.#cancelDelay = undefined;
    const { size } = this.#source;
    // Nobody waits for the budget to find out that there is nothing to try.
    if (this.#attempt === "none" || size === 0) return this.#try(false);
    if (this.#triedNow() >= size) return this.#nextRound();
    if (this.#source.retries.take(this)) this.#try(true);
  }

  onRetryTurn(): void {
    if (this.#over || this.#connection !== undefined) return this.#source.retries.giveBack();
    // It may have waited long.
    if (this.#tried !== undefined) this.#tried = this.#source.stillTried(this.#tried);
    this.#try(true);
  }

  onPlace(): void {
    this.advance();
  }

  /** Ends the wait: the waiter is told nothing. */
  cancel(): void {
    if (this.#over) return;
    this.#end();
    this.#connection?.abort();
  }

  /** Gives up the attempt that is being made if it may not be used any more, and tries another endpoint. */
  giveUp(unusable: (connection: EndpointConnection) => boolean): void {
    const connection = this.#connection;
    if (this.#over || connection === undefined || !unusable(connection)) return;
    this.#connection = undefined;
    connection.abort();
    this.advance();
  }

  /** Ends the wait with a refusal. */
  refuse(reason: RefuseReason): void {
    if (this.#over) return;
    this.cancel();
    this.#waiter.onRefused(reason);
  }

  onOpen(connection: EndpointConnection): void {
    this.#source.succeeded(connection);
    const { socket } = connection;
    if (this.#over || socket === undefined) return;
    this.#end();
    if (this.#attempt === "retry") this.#source.retries.giveBack();
    this.#waiter.onEndpoint(connection, socket, []);
  }

  onFailed(connection: EndpointConnection, failure: ConnectFailure, detail: string): void {
    this.#connection = undefined;
    this.#source.failed(connection, failure, detail);
    if (this.#over) return;
    if (failure === "descriptors") {
      // Another endpoint would fare no better: wait for descriptors. No endpoint was troubled.
      if (this.#attempt === "retry") this.#source.retries.giveBack();
      this.#nextRound();
      return;
    }
    this.#tried ??= [];
    this.#tried.push(connection.endpoint);
    // Many dead endpoints are not tried in one go by everyone who waits.
    if (this.#tried.length % ATTEMPTS_AT_ONCE === 0) this.#later();
    else this.advance();
  }

  /** How many were tried in this round of those that are resolved now. */
  #triedNow(): number {
    return this.#tried?.filter(({ state }) => state !== "retired").length ?? 0;
  }

  /** `isRetry`: a token of the budget is taken for it. */
  #try(isRetry: boolean): void {
    this.#cancelDelay?.();
    this.#cancelDelay = undefined;
    const { preamble } = this.#waiter;
    const { retries, limit } = this.#source;
    this.#connection = this.#source.connect(this, this.#tried ?? NONE, this.#client, preamble);
    if (this.#connection !== undefined) {
      this.#attempt = isRetry ? "retry" : "first";
      limit?.leave(this);
      return retries.attempted(isRetry);
    }
    if (isRetry) retries.giveBack();
    // Where something is only full there is no need for another round.
    if (limit?.join(this) === true) return;
    if (this.#tried !== undefined) this.#nextRound();
    else this.#source.onNoEndpoint(this);
  }

  /** All have been tried: begins again after a delay, so that a dead destination costs no storm of attempts. */
  #nextRound(): void {
    this.#tried = undefined;
    this.#later();
  }

  #later(): void {
    this.#backoff ??= this.#source.newBackoff();
    this.#cancelDelay = this.#source.after(this.#backoff.next(), () => {
      this.#cancelDelay = undefined;
      this.advance();
    });
  }

  #end(): void {
    this.#over = true;
    this.#cancelDelay?.();
    this.#source.leave(this);
  }
}
