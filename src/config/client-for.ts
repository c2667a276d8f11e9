// Which client settings a destination gets: the rules that cover it, merged key by key.
import type { AccrualConfig, FailFastRule } from "./accrual-types.ts";
import { DEFAULTS, limit, seconds } from "./defaults.ts";
import { retryBudgetOf } from "./compile-retries.ts";
import { isRoleCheck } from "./health-check.ts";
import { capturesOf, withCaptures } from "./rule-prefix.ts";
import { drain, socketOptions } from "./compile-sessions.ts";
import type { ClientConfig, DestinationConfig } from "./types.ts";

const UNRULED: Omit<DestinationConfig, "accrual"> = {
  tls: undefined,
  connectTimeoutMs: DEFAULTS.client.connectTimeoutMs,
  maxWaiters: DEFAULTS.client.maxWaiters,
  minConnections: DEFAULTS.client.minConnections,
  retryBudget: retryBudgetOf({}),
  maxConnectionsPerEndpoint: limit(DEFAULTS.client.maxConnectionsPerEndpoint),
  slowStart: {
    windowMs: seconds(DEFAULTS.slowStart.windowSecs),
    minShare: DEFAULTS.slowStart.minPercent / 100,
  },
  panicThresholdPercent: DEFAULTS.client.panicThresholdPercent,
  loadBalancer: { kind: DEFAULTS.client.loadBalancer },
  proxyProtocol: undefined,
  socketOptions: socketOptions(DEFAULTS.socketOptions),
  drain: drain(DEFAULTS.drain),
  healthCheck: undefined,
};

/**
 * The settings for the destination `path`: defaults, overlaid by every rule whose prefix covers it, in the order of the
 * file, so that later rules win key by key. `tls`, `loadBalancer`, `failureAccrual`, `slowStart`, `socketOptions`, `drain`
 * and `healthCheck` are one key each: a later one replaces an earlier one whole. Of `failFast` and `failureAccrual` the
 * later replaces the earlier.
 */
export function clientFor(rules: ClientConfig, path: string): DestinationConfig {
  const merged = { ...UNRULED };
  let chosen: AccrualConfig | undefined;
  let fast: FailFastRule = {};
  for (const { prefix, failFast, accrual, ...settings } of rules) {
    const captures = capturesOf(prefix, path);
    if (captures === undefined) continue;
    Object.assign(merged, settings);
    const { tls, healthCheck } = settings;
    if (tls !== undefined) merged.tls = withCaptures(tls, captures);
    if (healthCheck?.tls !== undefined && healthCheck.tls !== "none")
      merged.healthCheck = { ...healthCheck, tls: withCaptures(healthCheck.tls, captures) };
    if (accrual !== undefined) {
      chosen = accrual;
      fast = {};
    } else if (failFast !== undefined) {
      chosen = undefined;
      fast = { ...fast, ...failFast };
    }
  }
  // A replica that panic picks would get writes.
  const panicThresholdPercent = isRoleCheck(merged.healthCheck) ? 0 : merged.panicThresholdPercent;
  return { ...merged, panicThresholdPercent, accrual: chosen ?? accrualOf(fast) };
}

/** What `failFast` means: failures in a row, and always the same penalty. */
function accrualOf({
  maxConsecutiveFailures = DEFAULTS.client.maxConsecutiveFailures,
  failurePenaltyMs = seconds(DEFAULTS.client.failurePenaltySecs),
}: FailFastRule): AccrualConfig {
  const { maxEjectedPercent, dryRun } = DEFAULTS.failureAccrual;
  return {
    rule:
      failurePenaltyMs === 0
        ? { kind: "none" }
        : { kind: "consecutiveFailures", failures: maxConsecutiveFailures },
    backoff: { kind: "constant", ms: failurePenaltyMs },
    maxEjectedPercent,
    dryRun,
  };
}
