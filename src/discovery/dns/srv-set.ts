// What SRV records say about traffic (RFC 2782): which come first, and the share of each address.
import { DEFAULT_WEIGHT, endpointSet, type EndpointSet } from "../endpoint-set.ts";
import type { SrvRecord } from "./message.ts";

/**
 * Share of a target of weight 0 beside others, relative to the smallest of theirs: "a very small chance", says the RFC, and
 * weight 0 is none at all with us.
 */
const ZERO_SHARE = 0.01;

/** The records by priority, those that are to be used first in front; without those that say "no service here". */
export function srvClasses(records: readonly SrvRecord[]): readonly (readonly SrvRecord[])[] {
  const usable = records.filter(({ target }) => target !== ".");
  const classes = Map.groupBy(usable, ({ priority }) => priority);
  return [...classes].sort(([a], [b]) => a - b).map(([, members]) => members);
}

/**
 * The endpoints of records of one priority. A target's weight is shared out among its addresses, so that one with many
 * does not get more than it asks for; an address that several records lead to gets the sum. Targets without addresses
 * do not count.
 */
export function srvEndpoints(
  records: readonly SrvRecord[],
  ipsOf: (target: string) => readonly string[],
): EndpointSet {
  const usable = records.filter(({ target }) => ipsOf(target).length > 0);
  const smallest = Math.min(...usable.map(({ weight }) => weight).filter((weight) => weight > 0));
  const zero = Number.isFinite(smallest) ? smallest * ZERO_SHARE : DEFAULT_WEIGHT;
  const byAddress = new Map<string, { ip: string; port: number; weight: number }>();
  for (const { target, port, weight } of usable) {
    const ips = new Set(ipsOf(target));
    for (const ip of ips) {
      const key = `${ip} ${port}`;
      const share = (weight === 0 ? zero : weight) / ips.size;
      byAddress.set(key, { ip, port, weight: share + (byAddress.get(key)?.weight ?? 0) });
    }
  }
  return endpointSet(byAddress.values());
}
