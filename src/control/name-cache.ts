// How many names of a router connections may bring up, and which of them stay: those in use always, others for a while. A
// client invents names as fast as it can connect, so that those that lead nowhere go first and soon.
import { TokenBucket } from "../admission/token-bucket.ts";
import type { BindingCacheConfig } from "../config/types.ts";
import type { Clock } from "../lib/clock.ts";

/** A name that leads nowhere, and that nobody waits for, is followed so long. */
export const UNBOUND_TTL_MS = 10_000;
/** New names a second, once as many as there is room for have come at once, or so many. */
export const NEW_NAMES_PER_SEC = 100;

/** A name as its cache sees it. */
export interface CachedName {
  /** Whether sessions use it, or wait for it. */
  readonly inUse: boolean;
  /** Whether it has led to endpoints. */
  readonly isBound: boolean;
}

/** Why a name was let go. */
export type LetGoReason = "idle" | "unbound" | "limit";
/** Why there is no room for a name. */
export type NoRoomReason = "limit" | "rate";

export interface NameCacheParts<Name> {
  readonly clock: Clock;
  readonly limits: BindingCacheConfig;
  /** Ends a name, which is in the cache no more. */
  readonly onLetGo: (name: Name, reason: LetGoReason) => void;
}

export class NameCache<Name extends CachedName> {
  readonly #parts: NameCacheParts<Name>;
  readonly #names = new Set<Name>();
  /** Those that are not in use, with the time since when; those that are so for longest come first. */
  readonly #idle = { bound: new Map<Name, number>(), unbound: new Map<Name, number>() };
  #limits: BindingCacheConfig;
  #bucket: TokenBucket;
  #fullAtMs = 0;

  constructor(parts: NameCacheParts<Name>) {
    this.#parts = parts;
    this.#limits = parts.limits;
    this.#bucket = bucketFor(parts.limits);
  }

  get names(): ReadonlySet<Name> {
    return this.#names;
  }

  /** Others from now on. Names that are too many go as far as they are not in use. */
  setLimits(limits: BindingCacheConfig): void {
    this.#limits = limits;
    this.#bucket = bucketFor(limits);
    this.#fullAtMs = this.#bucket.refused(this.#fullAtMs, this.#parts.clock.now());
    while (this.#names.size > limits.paths && this.#letGoOne());
    this.letGoUnused();
  }

  /** Makes room for a new name; answers why there is none. */
  refuses(): NoRoomReason | undefined {
    const nowMs = this.#parts.clock.now();
    if (!this.#bucket.allows(this.#fullAtMs, nowMs)) return "rate";
    while (this.#names.size >= this.#limits.paths) if (!this.#letGoOne()) return "limit";
    this.#fullAtMs = this.#bucket.taken(this.#fullAtMs, nowMs);
    return undefined;
  }

  /** Takes in a new name, or notes that one is used, is used no more, was asked for, or is bound. */
  touch(name: Name): void {
    this.#names.add(name);
    this.#idle.bound.delete(name);
    this.#idle.unbound.delete(name);
    if (!name.inUse) this.#idleOf(name).set(name, this.#parts.clock.now());
  }

  remove(name: Name): void {
    this.#names.delete(name);
    this.#idle.bound.delete(name);
    this.#idle.unbound.delete(name);
  }

  /** Lets go what was not used for too long; to be called now and then. */
  letGoUnused(): void {
    const { idleTtlMs } = this.#limits;
    this.#letGoIdle(this.#idle.unbound, Math.min(UNBOUND_TTL_MS, idleTtlMs), "unbound");
    this.#letGoIdle(this.#idle.bound, idleTtlMs, "idle");
  }

  #letGoIdle(idle: ReadonlyMap<Name, number>, ttlMs: number, reason: LetGoReason): void {
    const nowMs = this.#parts.clock.now();
    for (const [name, sinceMs] of idle) {
      if (nowMs - sinceMs < ttlMs) return;
      this.#letGo(name, reason);
    }
  }

  /** Of those that are not in use the one that is so for longest; answers whether there was one. */
  #letGoOne(): boolean {
    const [unbound] = this.#idle.unbound.keys();
    const [bound] = this.#idle.bound.keys();
    const name = unbound ?? bound;
    if (name === undefined) return false;
    this.#letGo(name, "limit");
    return true;
  }

  #letGo(name: Name, reason: LetGoReason): void {
    this.remove(name);
    this.#parts.onLetGo(name, reason);
  }

  #idleOf({ isBound }: Name): Map<Name, number> {
    return isBound ? this.#idle.bound : this.#idle.unbound;
  }
}

function bucketFor({ paths }: BindingCacheConfig): TokenBucket {
  return new TokenBucket({ perSec: NEW_NAMES_PER_SEC, burst: Math.max(paths, NEW_NAMES_PER_SEC) });
}
