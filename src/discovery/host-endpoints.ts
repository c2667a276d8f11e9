// A list of endpoints whose hosts may be names: keeps the names' addresses up to date and tells what the list stands for.
import { canonicalIp } from "../lib/address.ts";
import type { HostEndpoint } from "../config/types.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Rng } from "../lib/rng.ts";
import type { Resolution } from "../naming/resolution.ts";
import type { Logger } from "../telemetry/log.ts";
import { endpointSet, type RawEndpoint } from "./endpoint-set.ts";
import type { HostAnswer, HostLookup } from "./host-lookup.ts";
import type { SourceMetrics } from "./metrics.ts";

export interface HostDeps {
  readonly lookup: HostLookup;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: SourceMetrics;
}

/**
 * How often answers are confirmed, and names without a time to live looked up again, give or take a fifth: as often as
 * namerd does it for `/$/inet`.
 */
const REFRESH_MS = 5_000;
/** Bounds of the times to live that are heeded: no server is asked more often, and no mistake lasts longer. */
const SHORTEST_MS = 1_000;
const LONGEST_MS = 300_000;
/** How long the hosts that are known wait for the others before they are reported without them. */
const PATIENCE_MS = 1_000;

/** Confirmations of plain addresses fall on multiples of this: of a thousand lists, many at one waking. */
const CONFIRM_STEP_MS = 250;

interface Host {
  /** The last addresses it had. */
  ips: readonly string[];
  answer: HostAnswer | undefined;
  asking: boolean;
  /** When it is to be looked up. */
  dueMs: number;
}

/**
 * Follows one list. Each host keeps the addresses it had last when it cannot be looked up any more, whatever the reason:
 * a name server that fails must not take live endpoints away. Each is looked up again when its time to live is over, give
 * or take a fifth, those that are due together. Reports after each round of look-ups, and every few seconds in between,
 * changed or not, so that answers are known to be fresh.
 */
export class HostEndpoints {
  readonly #deps: HostDeps;
  readonly #report: (resolution: Resolution) => void;
  readonly #hosts = new Map<string, Host>();
  #endpoints: readonly HostEndpoint[] | undefined;
  #inRound = false;
  #roundMs = 0;
  /** Times of one round are spread alike, so that hosts which are asked together stay together. */
  #spread = 1;
  #cancelTimer: Cancel | undefined;

  constructor(deps: HostDeps, report: (resolution: Resolution) => void) {
    this.#deps = deps;
    this.#report = report;
  }

  /** Follows this list from now on. Reports at once if no name must be looked up first. */
  set(endpoints: readonly HostEndpoint[]): void {
    if (this.#endpoints !== undefined && Bun.deepEquals(this.#endpoints, endpoints)) return;
    this.#endpoints = endpoints;
    const names = new Set(
      endpoints.map(({ host }) => host).filter((host) => canonicalIp(host) === undefined),
    );
    for (const host of this.#hosts.keys()) if (!names.has(host)) this.#hosts.delete(host);
    for (const host of names) {
      if (this.#hosts.has(host)) continue;
      this.#hosts.set(host, { ips: [], answer: undefined, asking: false, dueMs: -Infinity });
    }
    this.#round();
  }

  /** Follows nothing, and reports nothing, until the next `set`. */
  clear(): void {
    this.#endpoints = undefined;
    this.#hosts.clear();
    this.#inRound = false;
    this.#setTimer(undefined);
  }

  #round(): void {
    this.#inRound = true;
    this.#roundMs = this.#deps.clock.now();
    this.#spread = 0.8 + this.#deps.rng.next() * 0.4;
    for (const [name, host] of this.#hosts) {
      // A look-up cannot be stopped; a second one beside it would only pile up.
      if (!host.asking && host.dueMs <= this.#roundMs) void this.#ask(name, host);
    }
    if (this.#settled) return this.#endRound();
    this.#setTimer(this.#deps.clock.after(PATIENCE_MS, () => this.#endRound()));
  }

  get #settled(): boolean {
    return this.#hosts.values().every((host) => !host.asking);
  }

  async #ask(name: string, host: Host): Promise<void> {
    const { lookup, clock, metrics } = this.#deps;
    host.asking = true;
    const startMs = clock.now();
    const answer = await lookup(name);
    host.asking = false;
    // The list may have changed meanwhile.
    if (this.#hosts.get(name) !== host) return;
    metrics.observeLatency(clock.now() - startMs);
    this.#note(name, host, answer);
    host.answer = answer;
    host.dueMs = (this.#inRound ? this.#roundMs : clock.now()) + ttlOf(answer) * this.#spread;
    if (answer.state === "found") host.ips = answer.ips;
    // One that comes after the round has ended is told by itself.
    if (this.#settled || !this.#inRound) this.#endRound();
  }

  #endRound(): void {
    this.#inRound = false;
    this.#setTimer(this.#deps.clock.after(this.#waitMs, () => this.#round()));
    const resolution = this.#resolution();
    if (resolution !== undefined) this.#report(resolution);
  }

  get #waitMs(): number {
    const nowMs = this.#deps.clock.now();
    let waitMs = REFRESH_MS * this.#spread;
    if (this.#hosts.size === 0) return waitMs - ((nowMs + waitMs) % CONFIRM_STEP_MS);
    for (const { asking, dueMs } of this.#hosts.values()) {
      if (!asking) waitMs = Math.min(waitMs, dueMs - nowMs);
    }
    return Math.max(SHORTEST_MS, waitMs);
  }

  #resolution(): Resolution | undefined {
    const list = this.#endpoints ?? [];
    const { endpoints } = endpointSet(list.flatMap((endpoint) => this.#expand(endpoint)));
    if (endpoints.length > 0 || list.length === 0) return { state: "bound", endpoints };
    for (const [name, { answer }] of this.#hosts) {
      if (answer === undefined) return undefined;
      if (answer.state !== "failed") continue;
      return { state: "failed", cause: `cannot look up ${name} (${answer.cause})` };
    }
    return { state: "neg" };
  }

  #expand({ host, port, weight }: HostEndpoint): RawEndpoint[] {
    const ips = this.#hosts.get(host)?.ips ?? [host];
    return ips.map((ip) => ({ ip, port, weight }));
  }

  #note(name: string, { answer: last, ips }: Host, answer: HostAnswer): void {
    if (answer.state === (last?.state ?? "found")) return;
    const { log } = this.#deps;
    if (answer.state === "found") return log.info("a host name is known again", () => ({ name }));
    const cause = answer.state === "unknown" ? "no such name" : answer.cause;
    log.warn("cannot look up a host name", () => ({ name, cause, kept: ips.length }));
  }

  #setTimer(cancel: Cancel | undefined): void {
    this.#cancelTimer?.();
    this.#cancelTimer = cancel;
  }
}

function ttlOf(answer: HostAnswer): number {
  const ttlMs = answer.state === "failed" ? undefined : answer.ttlMs;
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, ttlMs ?? REFRESH_MS));
}
