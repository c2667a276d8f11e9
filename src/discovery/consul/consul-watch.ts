// Follows the instances of one service in one data center by blocking queries.
import type { ConsulNamerConfig } from "../../config/namer-types.ts";
import { Backoff } from "../../lib/backoff.ts";
import type { Cancel } from "../../lib/clock.ts";
import { type ConsulInstance, parseIndex, parseInstances } from "./consul-answer.ts";
import {
  ANSWER_MS,
  BLOCKING_MS,
  consulExchange,
  type ConsulQuestion,
  instancesUrl,
} from "./consul-query.ts";
import { QueryRate } from "./consul-rate.ts";
import { type ExchangeEnd, HttpExchange } from "../http-exchange.ts";
import type { NamerDeps } from "../namer.ts";

/** Who listens to a watch. Nothing is called before the constructor has returned, or after `stop`. */
export interface ConsulListener {
  /** What there is now; told again when Consul confirms it. */
  answer(instances: readonly ConsulInstance[]): void;
  /** A query failed; told each time. What was answered last stands. `cause` is one sentence for people. */
  failed(cause: string): void;
}

const RETRY = { baseMs: 10, maxMs: 5_000 };
/** After "too many requests" nobody is helped by coming back in 10 ms. */
const RETRY_REFUSED = { baseMs: 5_000, maxMs: 30_000 };
/** How often Consul is asked where it does not tell an index to wait for: give or take a fifth. */
const POLL_MS = 5_000;
/** Time from the head of an answer to its end. Before the head, silence is how Consul says that nothing has changed. */
export const BODY_MS = 30_000;

/** An answer whose body may still be on its way. */
interface Head {
  readonly index: bigint | undefined;
  readonly hidden: boolean;
  readonly leaderless: boolean;
}

/**
 * One query at a time, until `stop`: the first is answered at once, each further one names the index of the answer before
 * and is held back until that has changed. The index is forgotten, so that the next answer comes at once, when it goes
 * backwards (a snapshot was restored, another server answers) and after every failure (the agent may have started anew).
 * Rules: https://developer.hashicorp.com/consul/api-docs/features/blocking.
 */
export class ConsulWatch {
  readonly #config: ConsulNamerConfig;
  readonly #question: ConsulQuestion;
  readonly #deps: NamerDeps;
  readonly #listener: ConsulListener;
  readonly #backoff: Backoff;
  readonly #refused: Backoff;
  readonly #rate: QueryRate;
  #exchange: HttpExchange | undefined;
  #cancelTimer: Cancel | undefined;
  /** What the next answer must go beyond; 0 for any. */
  #index = 0n;
  #startMs = 0;
  #head: Head | undefined;
  #instances: readonly ConsulInstance[] | undefined;
  #answered = false;
  #failing = false;
  #indexMissing = false;
  #skipped = 0;

  /** Begins at once. */
  constructor(
    config: ConsulNamerConfig,
    question: ConsulQuestion,
    deps: NamerDeps,
    listener: ConsulListener,
  ) {
    this.#config = config;
    this.#question = question;
    this.#deps = deps;
    this.#listener = listener;
    this.#backoff = new Backoff(RETRY, deps.rng);
    this.#refused = new Backoff(RETRY_REFUSED, deps.rng);
    this.#rate = new QueryRate(deps.clock);
    this.#ask();
  }

  /** Ends everything at once: no request, no timer, no call is left. */
  stop(): void {
    this.#setTimer(undefined);
    this.#exchange?.close();
    this.#exchange = undefined;
  }

  #askIn(delayMs: number): void {
    if (delayMs === 0) return this.#ask();
    this.#setTimer(this.#deps.clock.after(delayMs, () => this.#ask()));
  }

  #ask(): void {
    const { clock } = this.#deps;
    this.#setTimer(undefined);
    this.#head = undefined;
    this.#instances = undefined;
    this.#startMs = clock.now();
    const url = instancesUrl(this.#config, this.#question, this.#index);
    const timeoutMs = this.#index > 0n ? BLOCKING_MS : ANSWER_MS;
    this.#exchange = new HttpExchange(consulExchange(this.#config, url, timeoutMs, clock), {
      head: (headers) => this.#onHead(headers),
      text: (text) => this.#onText(text),
      end: (end) => this.#onEnd(end),
    });
  }

  #onHead(headers: Headers): void {
    this.#head = {
      index: parseIndex(headers.get("X-Consul-Index")),
      hidden: headers.get("X-Consul-Results-Filtered-By-ACLs") === "true",
      // Answers from a server's stream say "no leader" always (hashicorp/consul issue 9776), so there it means nothing.
      leaderless:
        headers.get("X-Consul-KnownLeader") === "false" &&
        headers.get("X-Consul-Query-Backend") !== "streaming",
    };
    this.#setTimer(this.#deps.clock.after(BODY_MS, () => this.#onSlowBody()));
  }

  #onSlowBody(): void {
    this.#exchange?.close();
    this.#onFailure(`Consul began an answer and did not end it within ${BODY_MS} ms`);
  }

  #onText(text: string): string | undefined {
    const { useHealthCheck, preferServiceAddress } = this.#config;
    const parsed = parseInstances(text, { health: useHealthCheck, preferServiceAddress });
    if (!parsed.ok) return parsed.cause;
    this.#noteSkipped(parsed.skipped);
    this.#instances = parsed.instances;
    return this.#objection(parsed.instances);
  }

  /** Why an answer in good order is not to be believed. */
  #objection(instances: readonly ConsulInstance[]): string | undefined {
    if (this.#head?.hidden === true && instances.length === 0) {
      return "Consul hides all instances from this token";
    }
    // Any server may answer a stale query, and one that is cut off from the others does not know what has changed since.
    const { consistencyMode } = this.#config;
    if (consistencyMode === "stale" && this.#head?.leaderless === true && this.#answered) {
      return "Consul answered from a server that has lost its leader";
    }
    return undefined;
  }

  #onEnd(end: ExchangeEnd): void {
    this.#setTimer(undefined);
    if (this.#index === 0n) {
      this.#deps.metrics.observeLatency(this.#deps.clock.now() - this.#startMs);
    }
    if (end.how === "failed") return this.#onFailure(end.cause, end.status);
    if (this.#instances === undefined) return this.#onFailure("Consul gave an empty answer");
    this.#onAnswer(this.#instances, this.#head?.index);
  }

  #onAnswer(instances: readonly ConsulInstance[], index: bigint | undefined): void {
    this.#answered = true;
    this.#backoff.reset();
    this.#refused.reset();
    if (this.#failing) this.#deps.log.info("Consul answers again", () => this.#fields());
    this.#failing = false;
    this.#noteIndex(index);
    this.#index = this.#nextIndex(index);
    const pollMs = index === undefined ? POLL_MS * (0.8 + this.#deps.rng.next() * 0.4) : 0;
    // Failures have their own waits, so that an agent which comes back is not made to wait for those.
    this.#askIn(Math.max(pollMs, this.#rate.take()));
    // Last, as the listener may call `stop`.
    this.#listener.answer(instances);
  }

  #nextIndex(index: bigint | undefined): bigint {
    // A query for 0 would not be held back. Waiting beyond 1 is always right, says Consul's documentation.
    if (index === 0n) return 1n;
    return index === undefined || index < this.#index ? 0n : index;
  }

  #onFailure(cause: string, status?: number): void {
    this.#setTimer(undefined);
    this.#index = 0n;
    if (!this.#failing) {
      this.#deps.log.warn("cannot follow a service in Consul", () => ({
        ...this.#fields(),
        cause,
      }));
    }
    this.#failing = true;
    this.#askIn((status === 429 ? this.#refused : this.#backoff).next());
    // Last, as the listener may call `stop`.
    this.#listener.failed(cause);
  }

  #noteIndex(index: bigint | undefined): void {
    if (index !== undefined && index < this.#index) {
      this.#deps.log.debug("Consul's index went backwards", () => this.#fields());
    }
    const missing = index === undefined;
    if (missing && !this.#indexMissing) {
      this.#deps.log.warn("Consul tells no X-Consul-Index: polling", () => this.#fields());
    }
    this.#indexMissing = missing;
  }

  #noteSkipped(skipped: number): void {
    this.#deps.metrics.skip(skipped);
    if (skipped > 0 && skipped !== this.#skipped) {
      this.#deps.log.warn("Consul gave instances that cannot be used", () => ({
        ...this.#fields(),
        skipped,
      }));
    }
    this.#skipped = skipped;
  }

  #fields(): { readonly service: string; readonly tag?: string; readonly datacenter?: string } {
    const { service, tag, datacenter } = this.#question;
    return {
      service,
      ...(tag !== undefined && { tag }),
      ...(datacenter !== undefined && { datacenter }),
    };
  }

  #setTimer(cancel: Cancel | undefined): void {
    this.#cancelTimer?.();
    this.#cancelTimer = cancel;
  }
}
