// Who may use a server, on one worker: asked once for each connection, before its TLS.
import { CidrMap, NO_BLOCK } from "../lib/cidr-map.ts";
import type { Clock } from "../lib/clock.ts";
import { type IpFamily, readIpWords } from "../lib/ip-words.ts";
import type { ServerLimits } from "./limits-memory.ts";
import type { LimitMetrics } from "./metrics.ts";
import type { LimitReason } from "./reason.ts";
import { LIMIT_RULES, type LimitRule, RULE_NAMES, RULE_NUMBERS } from "./rules.ts";
import { ruleOf, SharedLimits } from "./shared-limits.ts";
import { GONE, NO_TICKET, type Taken } from "./ticket.ts";

/** Whether new connections are turned away because of what the worker bears already. */
export interface Load {
  readonly shedding: boolean;
}

/** What an admission is made of. */
export interface AdmissionParts {
  /** Undefined: only overload turns anybody away. */
  readonly limits: ServerLimits | undefined;
  /** Undefined: nothing is ever shed. */
  readonly load: Load | undefined;
  /** Index of this thread. */
  readonly worker: number;
  readonly clock: Clock;
  /** What is added to the clock's time to get one that is the same on all threads. */
  readonly clockOffsetMs: number;
  readonly metrics: LimitMetrics;
}

export class Admission {
  readonly #parts: AdmissionParts;
  readonly #words = new Uint32Array(4);
  #allow: CidrMap | undefined;
  #deny: CidrMap | undefined;
  #shared: SharedLimits | undefined;
  #isDryRun = false;
  /** -1 where nothing is counted. */
  #generation = -1;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    this.#apply(parts.limits);
  }

  /**
   * Lets a connection from `ip` in and answers a ticket for `leave`, or says why it is refused. An address that is not
   * known, as of a client that its proxy tells nothing of, is in no list and is no source. Who is `GONE` is let in by no
   * server with limits: else whoever is denied could reach endpoints with connections that are reset at once.
   */
  admit(ip: string | undefined): number | LimitReason {
    if (this.#parts.load?.shedding === true) return this.#shed();
    const shared = this.#shared;
    if (shared === undefined) return NO_TICKET;
    if (ip === GONE) return "client_left";
    const family = ip === undefined ? 0 : readIpWords(ip, this.#words);
    const nowMs = this.#nowMs();
    const listed = family === 0 ? -1 : this.#ruleOfLists(family);
    const answer = listed >= 0 ? -1 - listed : shared.take(this.#words, family, nowMs);
    if (answer >= 0) return answer;
    const rule = ruleOf(answer);
    shared.note(this.#words, family, rule, nowMs);
    const name = RULE_NAMES[rule] as LimitRule;
    this.#parts.metrics.count(name, this.#isDryRun);
    return this.#isDryRun ? NO_TICKET : LIMIT_RULES[name];
  }

  /** Writes down what a session has taken, right after `admit` has answered the ticket. */
  keep(taken: Taken, ticket: number): void {
    taken.ticket = ticket;
    taken.generation = this.#generation;
  }

  /** Gives back what a session had taken. */
  leave({ ticket, generation }: Taken): void {
    // Those of limits that were counted otherwise are not in today's counts.
    if (ticket === NO_TICKET || generation !== this.#generation) return;
    this.#shared?.give(ticket, this.#nowMs());
  }

  /** Other limits from now on. Connections that are open stay, and are counted where the new limits count on. */
  reconfigure(limits: ServerLimits | undefined): void {
    this.#apply(limits);
  }

  #apply(limits: ServerLimits | undefined): void {
    this.#allow = limits?.allow && new CidrMap(limits.allow);
    this.#deny = limits?.deny && new CidrMap(limits.deny);
    this.#isDryRun = limits?.config.dryRun ?? false;
    this.#generation = limits?.generation ?? -1;
    this.#shared = limits && new SharedLimits(limits, this.#parts.worker);
  }

  /** The list that refuses the address, or -1. */
  #ruleOfLists(family: IpFamily): number {
    const words = this.#words;
    if (this.#deny !== undefined && this.#deny.find(words, family) !== NO_BLOCK)
      return RULE_NUMBERS.deny;
    if (this.#allow !== undefined && this.#allow.find(words, family) === NO_BLOCK)
      return RULE_NUMBERS.allow;
    return -1;
  }

  #shed(): LimitReason {
    this.#shared?.note(this.#words, 0, RULE_NUMBERS.overload, this.#nowMs());
    this.#parts.metrics.count("overload", false);
    return "overload";
  }

  #nowMs(): number {
    return this.#parts.clock.now() + this.#parts.clockOffsetMs;
  }
}
