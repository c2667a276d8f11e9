// The limits of a server that hold for the whole process: looked at and taken in one step, under one lock, so that no
// number of workers lets in one too many, and a connection that one rule refuses takes nothing of another.
import { CidrMap, NO_BLOCK } from "../lib/cidr-map.ts";
import { type IpFamily, maskWords } from "../lib/ip-words.ts";
import { LimitsHead, type LimitsRules, type ServerLimits } from "./limits-memory.ts";
import { Refusals } from "./refusals.ts";
import { RULE_NUMBERS } from "./rules.ts";
import { SharedLock } from "./shared-lock.ts";
import { SourceTable } from "./source-table.ts";
import { NO_TICKET, networkOf, slotOf, ticketOf } from "./ticket.ts";
import { TokenBucket } from "./token-bucket.ts";

/** How wide a source is where no limit of sources says so: for the list of those that were refused. */
const WIDTH = { ipv4PrefixLength: 32, ipv6PrefixLength: 64 };

/** A network's limits. */
interface Network {
  readonly maxConnections: number;
  readonly bucket: TokenBucket | undefined;
}

/** Refused: the number of the rule, from -1 downwards. */
function refusedBy(rule: number): number {
  return -1 - rule;
}

/** The rule of a negative answer of `take`. */
export function ruleOf(refusal: number): number {
  return -1 - refusal;
}

export class SharedLimits {
  readonly refusals: Refusals;
  readonly sources: SourceTable;
  readonly #config: LimitsRules;
  readonly #worker: number;
  readonly #lock: SharedLock;
  readonly #head: LimitsHead;
  readonly #map: CidrMap | undefined;
  readonly #parents: Int32Array;
  readonly #networks: readonly Network[];
  readonly #serverBucket: TokenBucket | undefined;
  readonly #sourceBucket: TokenBucket | undefined;
  readonly #source = new Uint32Array(4);
  /** Whether there is anything to take. */
  readonly #takes: boolean;

  /** `worker` is the index of the thread, the number of workers for the control thread. */
  constructor(limits: ServerLimits, worker: number) {
    const { config, memory, networks } = limits;
    this.#config = config;
    this.#worker = worker;
    this.#head = new LimitsHead(memory);
    this.#lock = new SharedLock(this.#head.cells, worker + 1);
    this.refusals = new Refusals(memory.refusals);
    this.sources = new SourceTable(memory.sources, memory.sourcesSize);
    this.#map = networks && new CidrMap(networks);
    this.#parents = networks?.parents ?? new Int32Array(0);
    this.#networks = config.networks.map(({ maxConnections, rate }) => ({
      maxConnections,
      bucket: rate && new TokenBucket(rate),
    }));
    this.#serverBucket = config.rate && new TokenBucket(config.rate);
    this.#sourceBucket = config.perSource?.rate && new TokenBucket(config.perSource.rate);
    this.#takes =
      config.rate !== undefined || config.perSource !== undefined || networks !== undefined;
  }

  /**
   * Takes what a connection from an address needs, and answers a ticket to give it back with; or takes nothing and answers
   * a negative number for the rule that refuses. Family 0 is an address that is not known: only the server's rate counts.
   */
  take(words: Uint32Array, family: IpFamily, nowMs: number): number {
    if (!this.#takes) return NO_TICKET;
    const network = family === 0 ? NO_BLOCK : (this.#map?.find(words, family) ?? NO_BLOCK);
    // A lock that nobody gives back is of a dead thread, and soon freed: until then limits are the smaller harm.
    if (!this.#lock.take()) return NO_TICKET;
    const answer = this.#decide(words, family, network, nowMs);
    this.#lock.give();
    return answer;
  }

  /** Gives back what a ticket of these counts took. */
  give(ticket: number, nowMs: number): void {
    const slot = slotOf(ticket);
    for (let at = networkOf(ticket); at >= 0; at = this.#parentOf(at))
      this.#head.addToNetwork(at, this.#worker, -1);
    // No lock for these: nobody else writes a worker's counts, and one that is seen late refuses at worst.
    if (slot === 0) return;
    this.sources.subtract(slot, this.#worker);
    // Where the lock cannot be had, the next connection of the source settles it.
    if (!this.#lock.take()) return;
    this.sources.settle(slot, nowMs);
    this.#lock.give();
  }

  /** Notes who was refused, and by which rule. */
  note(words: Uint32Array, family: IpFamily, rule: number, nowMs: number): void {
    this.#setSource(words, family);
    if (!this.#lock.take()) return;
    this.refusals.add(family === 0 ? undefined : this.#source, rule, nowMs);
    this.#lock.give();
  }

  /** Gives back what a dead worker has taken, its lock included: for the control thread. */
  workerDied(worker: number, nowMs: number): void {
    this.#lock.releaseOf(worker + 1);
    if (!this.#lock.take()) return;
    this.sources.clearWorker(worker, nowMs);
    this.#head.clearWorker(worker, this.#networks.length);
    this.#lock.give();
  }

  #decide(words: Uint32Array, family: IpFamily, network: number, nowMs: number): number {
    const head = this.#head;
    const { perSource } = this.#config;
    let slot = 0;
    if (perSource !== undefined && family !== 0) {
      this.#setSource(words, family);
      slot = this.sources.find(this.#source);
      if (slot !== 0) {
        const rule = this.#ruleOfSource(slot, perSource.maxConnections, nowMs);
        if (rule >= 0) return refusedBy(rule);
      }
    }
    const rule = this.#ruleOfNetworks(network, nowMs);
    if (rule >= 0) return refusedBy(rule);
    const bucket = this.#serverBucket;
    if (bucket !== undefined) {
      const fullAtMs = head.serverFullAtMs;
      const isAllowed = bucket.allows(fullAtMs, nowMs);
      head.serverFullAtMs = isAllowed
        ? bucket.taken(fullAtMs, nowMs)
        : bucket.refused(fullAtMs, nowMs);
      if (!isAllowed) return refusedBy(RULE_NUMBERS.server_rate);
    }
    for (let at = network; at >= 0; at = this.#parentOf(at)) this.#takeOfNetwork(at, nowMs);
    if (perSource !== undefined && family !== 0) slot = this.#takeOfSource(nowMs);
    if (slot === 0 && network < 0) return NO_TICKET;
    return ticketOf(slot, network);
  }

  /** The rule that refuses a source, or -1. */
  #ruleOfSource(slot: number, maxConnections: number, nowMs: number): number {
    if (this.sources.count(slot) >= maxConnections) return RULE_NUMBERS.source_connections;
    const bucket = this.#sourceBucket;
    const fullAtMs = this.sources.fullAtMs(slot);
    if (bucket === undefined || bucket.allows(fullAtMs, nowMs)) return -1;
    this.sources.setFullAtMs(slot, bucket.refused(fullAtMs, nowMs));
    return RULE_NUMBERS.source_rate;
  }

  #ruleOfNetworks(network: number, nowMs: number): number {
    for (let at = network; at >= 0; at = this.#parentOf(at)) {
      const { maxConnections, bucket } = this.#networks[at] as Network;
      if (this.#head.networkCount(at) >= maxConnections) return RULE_NUMBERS.network_connections;
      const fullAtMs = this.#head.networkFullAtMs(at);
      if (bucket === undefined || bucket.allows(fullAtMs, nowMs)) continue;
      this.#head.setNetworkFullAtMs(at, bucket.refused(fullAtMs, nowMs));
      return RULE_NUMBERS.network_rate;
    }
    return -1;
  }

  #takeOfNetwork(network: number, nowMs: number): void {
    const { bucket } = this.#networks[network] as Network;
    this.#head.addToNetwork(network, this.#worker, 1);
    if (bucket === undefined) return;
    const fullAtMs = this.#head.networkFullAtMs(network);
    this.#head.setNetworkFullAtMs(network, bucket.taken(fullAtMs, nowMs));
  }

  #takeOfSource(nowMs: number): number {
    // 0 when every place has connections: there are more than the server may have, and this one is not counted.
    const slot = this.sources.findOrAdd(this.#source, nowMs);
    if (slot === 0) return 0;
    this.sources.add(slot, this.#worker);
    if (this.#sourceBucket !== undefined) {
      const fullAtMs = this.sources.fullAtMs(slot);
      this.sources.setFullAtMs(slot, this.#sourceBucket.taken(fullAtMs, nowMs));
    }
    return slot;
  }

  #setSource(words: Uint32Array, family: IpFamily): void {
    const { ipv4PrefixLength, ipv6PrefixLength } = this.#config.perSource ?? WIDTH;
    this.#source.set(words);
    maskWords(this.#source, family === 4 ? 96 + ipv4PrefixLength : ipv6PrefixLength);
  }

  #parentOf(network: number): number {
    return this.#parents[network] ?? NO_BLOCK;
  }
}
