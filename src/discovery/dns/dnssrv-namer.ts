// The namer `io.l5d.dnssrv`: names are SRV records, `/_http._tcp.web.example.com`.
import type { DnsSrvNamerConfig } from "../../config/namer-types.ts";
import { Backoff } from "../../lib/backoff.ts";
import type { Cancel, Clock } from "../../lib/clock.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { DnsClient, type DnsQuerier } from "./client.ts";
import { isDnsName } from "./message.ts";
import { parseNameServer } from "./resolv-conf.ts";
import { type SrvAnswer, SrvLookup } from "./srv-lookup.ts";
import { systemResolvConf } from "./system-lookup.ts";
import { systemTransport } from "./transport.ts";
import type { LeafSource, NamerDeps } from "../namer.ts";

/** Patience with name servers that the configuration names; with the system's it is as resolv.conf has it. */
const TIMEOUT_MS = 2_000;
const ATTEMPTS = 2;
/** No name is asked for more often, whatever its time to live. */
const SHORTEST_MS = 1_000;
/** Longest pause after a failure, where names are asked for more rarely than this. */
const LONGEST_RETRY_MS = 30_000;

/**
 * The first segment of a path is the name, the others are left over. The targets of the lowest priority that have
 * addresses are the endpoints, with the weights of their records (RFC 2782). Names are asked for again when their time to
 * live is over, and every `refreshIntervalMs`. A name that does not exist, or has no such
 * record, is `neg` as soon as a server says so. As long as servers fail, each look-up is `failed`.
 */
export function dnsSrvSource(
  config: DnsSrvNamerConfig,
  deps: NamerDeps,
  dns: DnsQuerier = clientFor(config, deps.clock),
): LeafSource {
  const refreshMs = Math.max(SHORTEST_MS, config.refreshIntervalMs);
  return {
    split([name, ...residual]) {
      return name !== undefined && isDnsName(name) ? { id: [name], residual } : undefined;
    },
    watch(id, signal, report) {
      if (signal.aborted) return;
      const [name] = id;
      if (name === undefined || id.length > 1 || !isDnsName(name)) {
        return queueMicrotask(() => {
          if (!signal.aborted) report({ state: "neg" });
        });
      }
      new SrvWatch({ name, dns, refreshMs, deps }, signal, report).start();
    },
  };
}

function clientFor({ dnsHosts }: DnsSrvNamerConfig, clock: Clock): DnsQuerier {
  const servers = dnsHosts.map(parseNameServer).filter((server) => server !== undefined);
  const fixed = { servers, timeoutMs: TIMEOUT_MS, attempts: ATTEMPTS };
  const settings = dnsHosts.length === 0 ? systemResolvConf(clock) : () => fixed;
  return new DnsClient({ transport: systemTransport, clock, settings });
}

interface WatchParts {
  readonly name: string;
  readonly dns: DnsQuerier;
  readonly refreshMs: number;
  readonly deps: NamerDeps;
}

/** Follows one name until `signal` aborts. */
class SrvWatch {
  readonly #parts: WatchParts;
  readonly #signal: AbortSignal;
  readonly #report: (answer: Resolution) => void;
  readonly #lookup: SrvLookup;
  readonly #backoff: Backoff;
  #isFailing = false;
  #cancelTimer: Cancel | undefined;

  constructor(parts: WatchParts, signal: AbortSignal, report: (answer: Resolution) => void) {
    this.#parts = parts;
    this.#signal = signal;
    this.#report = report;
    this.#lookup = new SrvLookup(parts.dns, parts.name);
    const maxMs = Math.min(parts.refreshMs, LONGEST_RETRY_MS);
    this.#backoff = new Backoff({ baseMs: SHORTEST_MS, maxMs }, parts.deps.rng);
  }

  start(): void {
    this.#signal.addEventListener("abort", () => this.#cancelTimer?.(), { once: true });
    void this.#round();
  }

  async #round(): Promise<void> {
    const { clock, metrics } = this.#parts.deps;
    const startMs = clock.now();
    const answer = await this.#lookup.look(this.#signal);
    if (this.#signal.aborted) return;
    metrics.observeLatency(clock.now() - startMs);
    this.#take(answer);
    // The listener may have left at once.
    if (this.#signal.aborted) return;
    this.#cancelTimer = clock.after(this.#pauseMs(answer), () => void this.#round());
  }

  #pauseMs(answer: SrvAnswer): number {
    if (answer.state === "failed") return this.#backoff.next();
    this.#backoff.reset();
    const { refreshMs } = this.#parts;
    return Math.max(SHORTEST_MS, Math.min(refreshMs, answer.ttlMs ?? refreshMs));
  }

  #take(answer: SrvAnswer): void {
    this.#note(answer);
    switch (answer.state) {
      case "found":
        this.#parts.deps.metrics.skip(answer.skipped);
        return this.#report({ state: "bound", endpoints: answer.endpoints });
      case "unknown":
        return this.#report({ state: "neg" });
      case "failed":
        return this.#report({ state: "failed", cause: this.#causeOf(answer.cause) });
      default:
        return answer satisfies never;
    }
  }

  #note(answer: SrvAnswer): void {
    const { deps, name } = this.#parts;
    const isFailing = answer.state === "failed";
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    if (answer.state === "failed") {
      const { cause } = answer;
      deps.log.warn("cannot look up SRV records", () => ({ name, cause }));
    } else {
      deps.log.info("SRV records can be looked up again", () => ({ name }));
    }
  }

  #causeOf(cause: string): string {
    return `cannot look up the SRV records of ${this.#parts.name} (${cause})`;
  }
}
