// The checks of one destination: follows its endpoints, and says which of them are healthy.
import type { HealthCheckConfig, OnUnhealthy } from "../config/health-types.ts";
import { HEALTH_METRICS } from "../telemetry/catalogue/health.ts";
import type { Counter, Gauge, Histogram } from "../telemetry/metrics.ts";
import { MetricScope } from "../telemetry/metric-scope.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Registry } from "../telemetry/registry.ts";
import type { CheckResult, FailureCause } from "./health-state.ts";
import type { HealthChecks, Membership, PreparedPlan } from "./health-checks.ts";

/** Many new endpoints are checked one after the other, so far apart at most. */
const MOST_APART_MS = 10;

const RESULTS = [
  "passed",
  "refused",
  "timeout",
  "unreachable",
  "tls",
  "closed",
  "unexpected",
  "role",
  "busy",
  "other",
  "skipped",
] as const satisfies readonly ("passed" | FailureCause)[];

interface CheckedAddress {
  readonly ip: string;
  readonly port: number;
}

/** What health checks need of a destination. */
export interface CheckedDestination {
  readonly router: string;
  readonly path: string;
  /** Those that a worker may know, retired ones included. */
  readonly endpoints: readonly { readonly spec: CheckedAddress }[];
  /** The ids that workers know an address by. */
  idsOf(address: CheckedAddress): readonly number[];
  setHealth(address: CheckedAddress, healthy: boolean): void;
}

/** The connections of endpoints are to be ended: the endpoints have turned unhealthy. */
export type OnDemoted = (ids: readonly number[], how: Exclude<OnUnhealthy, "keep">) => void;

export interface DestinationHealthParts {
  readonly destination: CheckedDestination;
  readonly settings: Pick<HealthCheckConfig, "check" | "initially" | "onUnhealthy" | "intervalMs">;
  readonly prepared: PreparedPlan;
  readonly checks: HealthChecks;
  readonly registry: Registry;
  readonly log: Logger;
  readonly onDemoted: OnDemoted;
}

interface Member extends Membership {
  healthy: boolean;
}

export class DestinationHealth {
  readonly #parts: DestinationHealthParts;
  readonly #scope: MetricScope;
  readonly #members = new Map<string, Member>();
  #unhealthyCount = 0;
  /** Checks that have passed while several endpoints had the role that one should have. */
  #passedBySeveral = 0;
  readonly #results = new Map<string, Counter>();
  readonly #turned: { readonly healthy: Counter; readonly unhealthy: Counter };
  readonly #unhealthy: Gauge;
  readonly #checked: Gauge;
  readonly #latency: Histogram;

  constructor(parts: DestinationHealthParts) {
    const { destination } = parts;
    const registry = new MetricScope(parts.registry);
    this.#scope = registry;
    const { path, router } = destination;
    this.#parts = parts;
    for (const result of RESULTS) {
      this.#results.set(result, registry.counter(HEALTH_METRICS.checks, path, result, router));
    }
    this.#turned = {
      healthy: registry.counter(HEALTH_METRICS.changes, path, router, "healthy"),
      unhealthy: registry.counter(HEALTH_METRICS.changes, path, router, "unhealthy"),
    };
    this.#unhealthy = registry.gauge(HEALTH_METRICS.unhealthy, path, router);
    this.#checked = registry.gauge(HEALTH_METRICS.checked, path, router);
    this.#latency = registry.histogram(HEALTH_METRICS.latency, path, router);
  }

  /** These addresses are about to become endpoints: begins to check those that are new. */
  expect(addresses: readonly CheckedAddress[]): void {
    const fresh = new Map(
      addresses
        .map((address) => [keyOf(address), address] as const)
        .filter(([key]) => !this.#members.has(key)),
    );
    const apartMs = Math.min(MOST_APART_MS, this.#parts.settings.intervalMs / (fresh.size || 1));
    let delayMs = 0;
    for (const [key, address] of fresh) {
      this.#join(key, address, delayMs);
      delayMs += apartMs;
    }
    this.#showCounts();
  }

  /** The endpoints have changed: ends the checks of those that are known no more. */
  settle(): void {
    const { destination } = this.#parts;
    const known = new Set(destination.endpoints.map(({ spec }) => keyOf(spec)));
    for (const [key, member] of this.#members) {
      if (known.has(key)) continue;
      member.leave();
      this.#members.delete(key);
      if (!member.healthy) this.#unhealthyCount -= 1;
      // Nothing is to be remembered of an address that nobody knows.
      destination.setHealth(addressOf(key), true);
    }
    this.#showCounts();
  }

  /** Ends all checks, and says nothing of it. Answers the addresses that are unhealthy. */
  stop(): readonly CheckedAddress[] {
    const unhealthy: CheckedAddress[] = [];
    for (const [key, member] of this.#members) {
      member.leave();
      if (!member.healthy) unhealthy.push(addressOf(key));
    }
    this.#members.clear();
    this.#scope.release();
    return unhealthy;
  }

  /** Whether an address is healthy here; undefined when it is not checked. */
  isHealthy(address: CheckedAddress): boolean | undefined {
    return this.#members.get(keyOf(address))?.healthy;
  }

  /** Why an address is unhealthy, or failed its last check; undefined when all is well. */
  reason(address: CheckedAddress): string | undefined {
    const member = this.#members.get(keyOf(address));
    if (member === undefined) return undefined;
    const { verdict, reason } = member.state;
    return reason ?? (verdict === "unknown" && !member.healthy ? "not checked yet" : undefined);
  }

  #join(key: string, address: CheckedAddress, delayMs: number): void {
    const { checks, prepared, destination } = this.#parts;
    const membership = checks.join(prepared, address, delayMs, {
      name: destination.path,
      onResult: (result, tookMs) => this.#onResult(result, tookMs),
      onVerdict: () => this.#onVerdict(key, address),
    });
    const member = { ...membership, healthy: this.#isFound(membership) };
    this.#members.set(key, member);
    if (member.healthy) return;
    this.#unhealthyCount += 1;
    destination.setHealth(address, false);
    // Found so already, for another destination.
    if (membership.state.verdict === "unhealthy") this.#demote(address);
  }

  #onResult(result: CheckResult, tookMs: number): void {
    this.#results.get(result.passed ? "passed" : result.cause)?.add(1);
    this.#latency.observe(tookMs * 1000);
    if (result.passed) this.#lookForSeveral();
  }

  #onVerdict(key: string, address: CheckedAddress): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    const healthy = this.#isFound(member);
    if (healthy !== member.healthy) {
      member.healthy = healthy;
      this.#turned[healthy ? "healthy" : "unhealthy"].add(1);
      this.#unhealthyCount += healthy ? -1 : 1;
      this.#showCounts();
      // First that it gets no more, then what becomes of those that it has.
      this.#parts.destination.setHealth(address, healthy);
    }
    // One that was unhealthy only until it was checked may have connections of before: these checks may be new by a reload.
    if (!healthy) this.#demote(address);
  }

  #demote(address: CheckedAddress): void {
    const { destination, settings, onDemoted } = this.#parts;
    if (settings.onUnhealthy === "keep") return;
    const ids = destination.idsOf(address);
    if (ids.length > 0) onDemoted(ids, settings.onUnhealthy);
  }

  #isFound({ state }: Membership): boolean {
    if (state.verdict !== "unknown") return state.verdict === "healthy";
    return this.#parts.settings.initially === "healthy";
  }

  /** Of primaries and masters there should be one: writes to two of them will not come together again. */
  #lookForSeveral(): void {
    const { destination, settings, log } = this.#parts;
    const healthy = this.#members.size - this.#unhealthyCount;
    const role = "role" in settings.check ? settings.check.role : "any";
    if (healthy < 2 || (role !== "primary" && role !== "master")) {
      this.#passedBySeveral = 0;
      return;
    }
    // Not while one of them takes over from the other.
    this.#passedBySeveral += 1;
    if (this.#passedBySeveral !== 3 * healthy) return;
    log.warn("several endpoints say that they have the role", () => ({
      rt: destination.router,
      dst: destination.path,
      role,
      endpoints: healthy,
    }));
  }

  #showCounts(): void {
    this.#unhealthy.set(this.#unhealthyCount);
    this.#checked.set(this.#members.size);
  }
}

function keyOf({ ip, port }: CheckedAddress): string {
  return `${ip} ${port}`;
}

function addressOf(key: string): CheckedAddress {
  const [ip = "", port] = key.split(" ");
  return { ip, port: Number(port) };
}
