// Host names to addresses: the port that resolvers ask, and the system's way to answer.
import { systemClock } from "../lib/clock.ts";

/**
 * What a host name stands for. `found`: these IP literals, one or more. `unknown`: there is no such name.
 * `failed`: nobody could say; `cause` is a clause for people. `ttlMs` is how long the answer is good for, where the source
 * says it; 0 or more.
 */
export type HostAnswer =
  | { readonly state: "found"; readonly ips: readonly string[]; readonly ttlMs?: number }
  | { readonly state: "unknown"; readonly ttlMs?: number }
  | { readonly state: "failed"; readonly cause: string };

/** Looks host names up. Never rejects. May take as long as the system's resolver takes; it cannot be stopped. */
export type HostLookup = (host: string) => Promise<HostAnswer>;

let loaded: Promise<HostLookup> | undefined;

/**
 * The system's way: the hosts file, then DNS by resolv.conf, which gives times to live, then the C library, which knows
 * what else is configured. `localhost` is 127.0.0.1.
 */
export const systemHostLookup: HostLookup = async (host) => {
  // As in namerd, whose loopback address is this one: a server on localhost rarely listens on ::1 too.
  if (host.toLowerCase() === "localhost") return { state: "found", ips: ["127.0.0.1"] };
  loaded ??= loadSystemLookup();
  return (await loaded)(host);
};

/** DNS is loaded when the first name is looked up: it holds some 1.5 MB of private memory, and many need no names. */
async function loadSystemLookup(): Promise<HostLookup> {
  const { systemLookup } = await import("./dns/system-lookup.ts");
  return systemLookup({ clock: systemClock, fallback: getAddrInfo });
}

/**
 * The C library's getaddrinfo: all A and AAAA addresses from all sources that nsswitch.conf names. It gives no times to
 * live, and Bun 1.4.5 does not cache its answers (measured against a DNS server).
 */
const getAddrInfo: HostLookup = async (host) => {
  try {
    const { lookup } = await import("node:dns/promises");
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
