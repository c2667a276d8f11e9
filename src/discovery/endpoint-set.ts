// Lists of endpoints as sources give them, made into sets the balancer can use: canonical, without doubles, in order.
import { canonicalIp } from "../lib/address.ts";
import type { WeightedAddress } from "../naming/resolution.ts";

/** The weight of an endpoint that has none. */
export const DEFAULT_WEIGHT = 1;

/**
 * Largest weight taken as it is. Weights are shares, so nobody needs more; and the sum of a million endpoints of this
 * weight is still far from where doubles lose ones.
 */
export const MAX_WEIGHT = 1e9;

/** An endpoint as a source wrote it: nothing about it can be relied on. */
export interface RawEndpoint {
  readonly ip: unknown;
  readonly port: unknown;
  /** undefined for none. */
  readonly weight: unknown;
}

/** A list, checked. */
export interface EndpointSet {
  /** Canonical addresses, each once, sorted by address. */
  readonly endpoints: readonly WeightedAddress[];
  /** How many were left out because their address or port cannot be used. */
  readonly skipped: number;
  /** How many had a weight that cannot be used and got another. */
  readonly repaired: number;
}

/**
 * Checks a list. An endpoint without a usable address is left out. One with an unusable weight (NaN, negative, infinite,
 * not a number) stays, with weight 1: losing the capacity of a live endpoint is worse than giving it an ordinary share.
 * Weights above `MAX_WEIGHT` are cut to it. Of endpoints with the same address the last one counts.
 */
export function endpointSet(list: Iterable<RawEndpoint>): EndpointSet {
  const byAddress = new Map<string, WeightedAddress>();
  let skipped = 0;
  let repaired = 0;
  for (const raw of list) {
    const ip = usableIp(raw.ip);
    if (ip === undefined || !isPort(raw.port)) {
      skipped++;
      continue;
    }
    const weight = usableWeight(raw.weight);
    if (weight !== (raw.weight ?? DEFAULT_WEIGHT)) repaired++;
    byAddress.set(`${ip} ${raw.port}`, { ip, port: raw.port, weight });
  }
  // namerd gives sets in the order of a hash: sorting makes equal sets equal lists.
  const endpoints = [...byAddress].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, it]) => it);
  return { endpoints, skipped, repaired };
}

/** Whether two lists from `endpointSet` hold the same endpoints with the same weights. */
export function sameEndpoints(
  a: readonly WeightedAddress[],
  b: readonly WeightedAddress[],
): boolean {
  return (
    a === b ||
    (a.length === b.length &&
      a.every((endpoint, index) => {
        const other = b[index];
        return (
          endpoint.ip === other?.ip &&
          endpoint.port === other.port &&
          endpoint.weight === other.weight
        );
      }))
  );
}

function usableIp(value: unknown): string | undefined {
  return typeof value === "string" ? canonicalIp(value) : undefined;
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function usableWeight(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) return DEFAULT_WEIGHT;
  // -0 passes as 0.
  return Math.min(value, MAX_WEIGHT) + 0;
}
