// Host names to addresses: the port that resolvers ask, and the system's way to answer.
import { lookup } from "node:dns/promises";

/**
 * What a host name stands for. `found`: these IP literals, one or more. `unknown`: there is no such name.
 * `failed`: nobody could say; `cause` is a clause for people.
 */
export type HostAnswer =
  | { readonly state: "found"; readonly ips: readonly string[] }
  | { readonly state: "unknown" }
  | { readonly state: "failed"; readonly cause: string };

/** Looks host names up. Never rejects. May take as long as the system's resolver takes; it cannot be stopped. */
export type HostLookup = (host: string) => Promise<HostAnswer>;

/**
 * The system's resolver (getaddrinfo): all A and AAAA addresses, with the hosts file, search domains and mDNS as
 * configured. Chosen over `resolve4({ttl: true})`, which asks the DNS server only and so misses all of these; it gives
 * no TTL, and Bun 1.4.5 does not cache it (measured against a DNS server), so asking again after a few seconds is the
 * caller's part and cheap.
 */
export const systemHostLookup: HostLookup = async (host) => {
  // As in namerd, whose loopback address is this one: a server on localhost rarely listens on ::1 too.
  if (host.toLowerCase() === "localhost") return { state: "found", ips: ["127.0.0.1"] };
  try {
    const addresses = await lookup(host, { all: true });
    if (addresses.length === 0) return { state: "unknown" };
    return { state: "found", ips: addresses.map(({ address }) => address) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    // A server that refuses or is silent gives EAI_AGAIN; "no such name" and "a name without addresses" are these.
    if (/ENOTFOUND|ENODATA|EAI_NONAME/.test(code)) return { state: "unknown" };
    return { state: "failed", cause: code };
  }
};
