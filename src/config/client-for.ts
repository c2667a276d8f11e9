// Which client settings a destination gets: the rules that cover it, merged key by key.
import { pathStartsWith } from "../naming/path.ts";
import { DEFAULTS, seconds } from "./defaults.ts";
import type { ClientConfig, DestinationConfig } from "./types.ts";

const UNRULED: DestinationConfig = {
  tls: undefined,
  connectTimeoutMs: DEFAULTS.client.connectTimeoutMs,
  maxWaiters: DEFAULTS.client.maxWaiters,
  minConnections: DEFAULTS.client.minConnections,
  maxConsecutiveFailures: DEFAULTS.client.maxConsecutiveFailures,
  failurePenaltyMs: seconds(DEFAULTS.client.failurePenaltySecs),
  loadBalancer: { kind: DEFAULTS.client.loadBalancer },
  proxyProtocol: undefined,
  healthCheck: undefined,
};

/**
 * The settings for the destination `path`: defaults, overlaid by every rule whose prefix covers it, in the order of the
 * file, so that later rules win key by key. `tls`, `loadBalancer` and `healthCheck` are one key each: a later one replaces
 * an earlier one whole.
 */
export function clientFor(rules: ClientConfig, path: string): DestinationConfig {
  const merged = { ...UNRULED };
  for (const { prefix, ...settings } of rules) {
    if (pathStartsWith(path, prefix)) Object.assign(merged, settings);
  }
  return merged;
}
