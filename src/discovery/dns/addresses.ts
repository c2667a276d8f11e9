// All addresses of one name that is asked for as it is.
import type { HostAnswer } from "../host-lookup.ts";
import { type DnsAnswer, isAddress } from "./answer.ts";
import type { DnsQuerier } from "./client.ts";

/** `found` always has a time to live; `answered`: a server was there, though it could not say. */
export type AddressAnswer =
  | Exclude<HostAnswer, { readonly state: "failed" }>
  | { readonly state: "failed"; readonly cause: string; readonly answered: boolean };

/**
 * Asks for A and AAAA records at the same time. There are networks that never answer for AAAA, so its failure alone does
 * not count. That of A does: with the AAAA records only, live endpoints would be missing.
 */
export async function lookupAddresses(
  dns: DnsQuerier,
  name: string,
  signal?: AbortSignal,
): Promise<AddressAnswer> {
  const [v4, v6] = await Promise.all([
    dns.query({ name, type: "A" }, signal),
    dns.query({ name, type: "AAAA" }, signal),
  ]);
  if (v4.state === "failed") return v4;
  const found = [v4, v6].filter((answer) => answer.state === "found");
  if (found.length > 0) {
    const ttlMs = Math.min(...found.map((answer) => answer.ttlMs));
    return { state: "found", ips: found.flatMap(ipsOf), ttlMs };
  }
  if (v6.state === "failed") return v6;
  return unknown([v4.ttlMs, v6.ttlMs]);
}

/** No such name, for the shortest of the times that are known. */
export function unknown(
  ttls: readonly (number | undefined)[],
): Extract<HostAnswer, { readonly state: "unknown" }> {
  const known = ttls.filter((ttlMs) => ttlMs !== undefined);
  return { state: "unknown", ...(known.length > 0 && { ttlMs: Math.min(...known) }) };
}

function ipsOf({ records }: Extract<DnsAnswer, { readonly state: "found" }>): readonly string[] {
  return records.filter(isAddress).map(({ ip }) => ip);
}
