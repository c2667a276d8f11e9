// What the workers share about a server's limits: made by the control thread, sent to each worker.
import type { LimitsConfig } from "../config/types.ts";
import { type CidrRanges, cidrRanges } from "../lib/cidr-map.ts";
import { newRefusals } from "./refusals.ts";
import { newSourceTable, type SourceTableSize } from "./source-table.ts";

/** Sources without connections that are remembered for their rates, besides those with connections. */
const IDLE_SOURCES = 8_192;

/** The memory. Plain data: it crosses threads. */
export interface LimitsMemory {
  /** The lock, then the server's bucket, then of each network its bucket and its connections by worker. */
  readonly head: SharedArrayBuffer;
  readonly refusals: SharedArrayBuffer;
  readonly sources: SharedArrayBuffer;
  readonly sourcesSize: SourceTableSize;
}

/** What is configured, without the lists of addresses. */
export type LimitsRules = Omit<LimitsConfig, "allow" | "deny">;

/**
 * Limits as workers get them. Lists are sorted already, and are numbers: of hundreds of thousands of texts each worker
 * would make a copy, while its connections wait. Plain data.
 */
export interface ServerLimits {
  readonly config: LimitsRules;
  readonly allow: CidrRanges | undefined;
  readonly deny: CidrRanges | undefined;
  readonly networks: CidrRanges | undefined;
  /** Which counts they are, so that nothing is given back to others. */
  readonly generation: number;
  readonly memory: LimitsMemory;
}

/** 64-bit cells before those of networks: the lock, and the bucket of the server. */
const HEAD_CELLS = 8;
const SERVER_FULL_AT = 1;

/** Views of the memory's head. */
export class LimitsHead {
  /** The first is the lock. */
  readonly cells: Int32Array;
  readonly #floats: Float64Array;
  readonly #workers: number;

  constructor({ head, sourcesSize: { workers } }: LimitsMemory) {
    this.cells = new Int32Array(head);
    this.#floats = new Float64Array(head);
    this.#workers = workers;
  }

  get serverFullAtMs(): number {
    return this.#floats[SERVER_FULL_AT] as number;
  }

  set serverFullAtMs(value: number) {
    this.#floats[SERVER_FULL_AT] = value;
  }

  networkFullAtMs(network: number): number {
    return this.#floats[this.#cellOf(network)] as number;
  }

  setNetworkFullAtMs(network: number, value: number): void {
    this.#floats[this.#cellOf(network)] = value;
  }

  /** Connections from a network, in the whole process. */
  networkCount(network: number): number {
    const first = this.#cellOf(network) + 1;
    let sum = 0;
    for (let worker = 0; worker < this.#workers; worker += 1)
      sum += this.#floats[first + worker] as number;
    return sum;
  }

  addToNetwork(network: number, worker: number, amount: 1 | -1): void {
    const cell = this.#cellOf(network) + 1 + worker;
    this.#floats[cell] = Math.max(0, (this.#floats[cell] as number) + amount);
  }

  /** Forgets the connections of a worker that is dead. */
  clearWorker(worker: number, networks: number): void {
    for (let network = 0; network < networks; network += 1)
      this.#floats[this.#cellOf(network) + 1 + worker] = 0;
  }

  #cellOf(network: number): number {
    return HEAD_CELLS + network * (1 + this.#workers);
  }
}

/** What the limits of a server are made of. */
export interface LimitsParts {
  readonly config: LimitsConfig;
  readonly workers: number;
  /** Connections that the process can have open on it, so that each source with a connection has a place. */
  readonly maxConnections: number;
  /** Decides which sources collide. */
  readonly seed: number;
}

/** Makes the limits of a server; `generation` is another one than that of earlier limits of the same server. */
export function newServerLimits(parts: LimitsParts, generation: number): ServerLimits {
  const { config, workers, seed } = parts;
  const sourcesSize = { capacity: capacityFor(parts), workers };
  const cells = HEAD_CELLS + config.networks.length * (1 + workers);
  return withLists(config, generation, {
    head: new SharedArrayBuffer(cells * 8),
    refusals: newRefusals(),
    sources: newSourceTable(sourcesSize, seed),
    sourcesSize,
  });
}

/**
 * Other limits for the same server. What is counted goes on to count where that has the same meaning: as long as the same
 * networks are limited and sources are as wide as they were. Else everything is counted from nothing.
 */
export function changedServerLimits(limits: ServerLimits, parts: LimitsParts): ServerLimits {
  const { memory, generation } = limits;
  const isAlike =
    countedAlike(limits.config) === countedAlike(parts.config) &&
    memory.sourcesSize.capacity >= capacityFor(parts);
  if (isAlike) return withLists(parts.config, generation, memory);
  return newServerLimits(parts, generation + 1);
}

function capacityFor({ config, maxConnections }: LimitsParts): number {
  return config.perSource === undefined ? 1 : maxConnections + IDLE_SOURCES;
}

function countedAlike({ networks, perSource }: LimitsRules): string {
  const { ipv4PrefixLength, ipv6PrefixLength } = perSource ?? {};
  return JSON.stringify([networks.map(({ cidr }) => cidr), ipv4PrefixLength, ipv6PrefixLength]);
}

function withLists(config: LimitsConfig, generation: number, memory: LimitsMemory): ServerLimits {
  const { allow, deny, ...rules } = config;
  const blocks = rules.networks.map(({ cidr }) => cidr);
  return {
    config: rules,
    allow: allow && cidrRanges(allow),
    deny: deny.length === 0 ? undefined : cidrRanges(deny),
    networks: blocks.length === 0 ? undefined : cidrRanges(blocks),
    generation,
    memory,
  };
}
