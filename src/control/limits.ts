// The limits of all servers on the control thread: the memory that workers share about them, what a dead worker had taken,
// who is refused, and the log of it.
import {
  changedServerLimits,
  type LimitsRules,
  newServerLimits,
  type ServerLimits,
} from "../admission/limits-memory.ts";
import { RULE_NAMES, type LimitRule } from "../admission/rules.ts";
import { SharedLimits } from "../admission/shared-limits.ts";
import type { LimitsConfig } from "../config/types.ts";
import { formatCidr } from "../lib/cidr.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import { formatIp } from "../lib/ip.ts";
import { wordsToBytes } from "../lib/ip-words.ts";
import type { Rng } from "../lib/rng.ts";
import type { Logger } from "../telemetry/log.ts";

/** Refusals are looked for so often, and told of each server no more often than once in the time below. */
const LOOK_PERIOD_MS = 1_000;
const LOG_PERIOD_MS = 60_000;
/** Sources that are shown of a server. */
const MOST_SOURCES = 20;

/** A server, with limits or without. */
export interface LimitedServer {
  readonly id: number;
  readonly router: string;
  /** Bound `ip:port`. */
  readonly address: string;
  /** Undefined: whoever reaches the server may use it. */
  readonly config: LimitsConfig | undefined;
  /** Connections that it can have open at a time, in the whole process. */
  readonly maxConnections: number;
}

/** What is known of those who were refused by a server. */
export interface ServerRefusals {
  readonly router: string;
  /** Bound `ip:port`. */
  readonly address: string;
  /** Whether nobody was refused in truth. */
  readonly dryRun: boolean;
  /** Since the process began, by rule; rules that never refused are left out. */
  readonly refusals: Readonly<Partial<Record<LimitRule, number>>>;
  /** The sources that were refused most in the last 10 to 20 minutes. */
  readonly refused: readonly RefusedSource[];
  /** The sources with the most connections; empty where sources are not counted. */
  readonly connected: readonly ConnectedSource[];
}

/** A source is an address, or a block where sources are that. */
export interface RefusedSource {
  readonly source: string;
  readonly refusals: number;
  /** Refusals of this number may have been of others: so many sources come that not all can be counted. */
  readonly uncertain: number;
  /** Of the last refusal. */
  readonly rule: LimitRule;
  readonly secondsAgo: number;
}

export interface ConnectedSource {
  readonly source: string;
  readonly connections: number;
}

/** What limits are given. */
export interface LimitsParts {
  readonly workers: number;
  readonly clock: Clock;
  /** See `commonOffsetMs` of the worker. */
  readonly clockOffsetMs: number;
  readonly rng: Rng;
  readonly log: Logger;
}

interface Entry {
  readonly server: LimitedServer;
  readonly limits: ServerLimits;
  readonly shared: SharedLimits;
  /** What was told, by rule. */
  told: readonly number[];
  quietUntilMs: number;
}

export class Limits {
  readonly #parts: LimitsParts;
  readonly #entries = new Map<number, Entry>();
  /** The next generation of a server's limits, also of one that has none now: see `ServerLimits`. */
  readonly #generations = new Map<number, number>();
  #cancel: Cancel | undefined;

  constructor(parts: LimitsParts) {
    this.#parts = parts;
  }

  /**
   * Limits a server from now on, otherwise than before, or no more. Answers what workers are to be told: see
   * `Admission.reconfigure`. Connections that are open stay.
   */
  set(server: LimitedServer): ServerLimits | undefined {
    const { id, config, maxConnections } = server;
    const { workers, clock, rng } = this.#parts;
    const before = this.#entries.get(id);
    this.#entries.delete(id);
    if (config === undefined) return undefined;
    const parts = { config, workers, maxConnections, seed: Math.floor(rng.next() * 2 ** 31) };
    const limits = before
      ? changedServerLimits(before.limits, parts)
      : newServerLimits(parts, this.#generations.get(id) ?? 0);
    this.#generations.set(id, limits.generation + 1);
    const isCountedOn = limits.memory === before?.limits.memory;
    this.#entries.set(id, {
      server,
      limits,
      shared: new SharedLimits(limits, workers),
      told: isCountedOn ? before.told : RULE_NAMES.map(() => 0),
      quietUntilMs: before?.quietUntilMs ?? Number.NEGATIVE_INFINITY,
    });
    this.#cancel ??= clock.every(LOOK_PERIOD_MS, () => this.#look());
    return limits;
  }

  /** What workers are to be told of a server's limits; undefined when it has none. */
  of(server: number): ServerLimits | undefined {
    return this.#entries.get(server)?.limits;
  }

  /** Gives back what a dead worker had taken. */
  workerDied(worker: number): void {
    for (const { shared } of this.#entries.values()) shared.workerDied(worker, this.#nowMs());
  }

  /** Those who are refused, and those who have most, by server. */
  refusals(): readonly ServerRefusals[] {
    return Array.from(this.#entries.values(), (entry) => this.#refusalsOf(entry));
  }

  /** Tells no more. */
  stop(): void {
    this.#cancel?.();
  }

  #refusalsOf({ server, limits, shared }: Entry): ServerRefusals {
    const nowMs = this.#nowMs();
    const { router, address } = server;
    const { config } = limits;
    const counts = RULE_NAMES.map((rule, index) => [rule, shared.refusals.total(index)] as const);
    return {
      router,
      address,
      dryRun: config.dryRun,
      refusals: Object.fromEntries(counts.filter(([, count]) => count > 0)),
      refused: shared.refusals.top(MOST_SOURCES, nowMs).map((offender) => ({
        source: sourceText(offender.words, config),
        refusals: offender.refusals,
        uncertain: offender.error,
        rule: offender.rule,
        secondsAgo: Math.max(0, Math.round((nowMs - offender.lastMs) / 1000)),
      })),
      connected: shared.sources.busiest(MOST_SOURCES).map(({ words, connections }) => ({
        source: sourceText(words, config),
        connections,
      })),
    };
  }

  /** Tells of servers that refuse, unless that was told a moment ago. */
  #look(): void {
    const nowMs = this.#parts.clock.now();
    for (const entry of this.#entries.values()) {
      if (nowMs >= entry.quietUntilMs) this.#tell(entry, nowMs);
    }
  }

  #tell(entry: Entry, nowMs: number): void {
    const { server, limits, shared, told } = entry;
    const totals = RULE_NAMES.map((_, index) => shared.refusals.total(index));
    const fresh = RULE_NAMES.flatMap((rule, index) => {
      const count = (totals[index] ?? 0) - (told[index] ?? 0);
      return count > 0 ? [[rule, count] as const] : [];
    });
    if (fresh.length === 0) return;
    entry.told = totals;
    entry.quietUntilMs = nowMs + LOG_PERIOD_MS;
    const [worst] = shared.refusals.top(1, this.#nowMs());
    const { config } = limits;
    const { dryRun } = config;
    this.#parts.log.warn(dryRun ? "clients would be refused (dryRun)" : "clients refused", () => ({
      srv: server.address,
      ...Object.fromEntries(fresh),
      worstSource: worst && sourceText(worst.words, config),
      worstSourceRefusals: worst?.refusals,
    }));
  }

  #nowMs(): number {
    return this.#parts.clock.now() + this.#parts.clockOffsetMs;
  }
}

/** An address, or a block with its length. */
function sourceText(words: readonly number[], { perSource }: LimitsRules): string {
  const bytes = wordsToBytes(words);
  const isIpv4 = bytes.length === 4;
  const length = isIpv4 ? (perSource?.ipv4PrefixLength ?? 32) : (perSource?.ipv6PrefixLength ?? 64);
  return length === bytes.length * 8 ? formatIp(bytes) : formatCidr({ bytes, length });
}
