// What the agent says of itself, asked for once: the parts of names in Consul's DNS.
import type { ConsulNamerConfig } from "../../config/namer-types.ts";
import { Backoff } from "../../lib/backoff.ts";
import type { Cancel } from "../../lib/clock.ts";
import { type ConsulAgentInfo, DEFAULT_DOMAIN, parseAgent } from "./consul-answer.ts";
import { agentUrl, ANSWER_MS, consulExchange } from "./consul-query.ts";
import { type ExchangeEnd, HttpExchange } from "../http-exchange.ts";
import type { NamerDeps } from "../namer.ts";

// What it is good for is seldom worth more: a policy that forbids the question is not changed every minute.
const RETRY = { baseMs: 1_000, maxMs: 60_000 };

/**
 * Asks while somebody follows and the answer is not known; an answer holds for good. Addresses do not wait for it longer than
 * one attempt takes: a failure gives the domain that agents have by default, until a later attempt succeeds.
 */
export class ConsulAgent {
  readonly #config: ConsulNamerConfig;
  readonly #deps: NamerDeps;
  readonly #backoff: Backoff;
  readonly #followers = new Set<() => void>();
  #info: ConsulAgentInfo | undefined;
  #known = false;
  #exchange: HttpExchange | undefined;
  #cancelRetry: Cancel | undefined;

  constructor(config: ConsulNamerConfig, deps: NamerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#backoff = new Backoff(RETRY, deps.rng);
  }

  /** undefined until the first attempt has ended. */
  get info(): ConsulAgentInfo | undefined {
    return this.#info;
  }

  /** Calls `changed` after each change of `info`, not before it has returned, until it is given back. */
  follow(changed: () => void): Cancel {
    // A function of its own for each follower, as one may follow twice.
    const follower = (): void => changed();
    this.#followers.add(follower);
    if (!this.#known && this.#exchange === undefined && this.#cancelRetry === undefined)
      this.#ask();
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) this.#rest();
    };
  }

  #ask(): void {
    this.#cancelRetry = undefined;
    const { clock } = this.#deps;
    let info: ConsulAgentInfo | undefined;
    const options = consulExchange(this.#config, agentUrl(this.#config), ANSWER_MS, clock);
    this.#exchange = new HttpExchange(options, {
      head() {},
      text(text) {
        const parsed = parseAgent(text);
        if (!parsed.ok) return parsed.cause;
        info = parsed.info;
        return undefined;
      },
      end: (end) => this.#onEnd(end, info),
    });
  }

  #onEnd(end: ExchangeEnd, info: ConsulAgentInfo | undefined): void {
    this.#exchange = undefined;
    if (end.how === "complete" && info !== undefined) {
      this.#known = true;
      return this.#tell(info);
    }
    const retry = this.#deps.clock.after(this.#backoff.next(), () => this.#ask());
    this.#cancelRetry = retry;
    if (this.#info !== undefined) return;
    const cause = end.how === "failed" ? end.cause : "Consul gave an empty answer";
    this.#deps.log.warn("cannot ask Consul's agent for its domain", () => ({
      cause,
      taken: DEFAULT_DOMAIN,
    }));
    this.#tell({ datacenter: undefined, domain: DEFAULT_DOMAIN });
  }

  #tell(info: ConsulAgentInfo): void {
    this.#info = info;
    for (const follower of [...this.#followers]) {
      if (this.#followers.has(follower)) follower();
    }
  }

  #rest(): void {
    this.#exchange?.close();
    this.#exchange = undefined;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }
}
