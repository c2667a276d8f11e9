// Host names to addresses as the system has it: the hosts file, then DNS with the search domains, then the C library.
import { canonicalIp } from "../../lib/address.ts";
import type { Clock } from "../../lib/clock.ts";
import type { HostAnswer, HostLookup } from "../host-lookup.ts";
import { type AddressAnswer, lookupAddresses, unknown } from "./addresses.ts";
import { DnsClient } from "./client.ts";
import { HOSTS_PATH, type HostsFile, parseHostsFile } from "./hosts-file.ts";
import { isDnsName, normalName } from "./message.ts";
import { parseResolvConf, RESOLV_CONF_PATH, type ResolvConf } from "./resolv-conf.ts";
import { SystemFile } from "./system-file.ts";
import { type DnsTransport, systemTransport } from "./transport.ts";

export interface SystemLookupParts {
  readonly clock: Clock;
  /** Asked where DNS does not know the name: it may know further sources, such as mDNS, but no times to live. */
  readonly fallback: HostLookup;
  readonly transport?: DnsTransport;
  /** Of the hosts file and of resolv.conf; the system's when not given. */
  readonly hosts?: () => Promise<HostsFile>;
  readonly resolvConf?: () => Promise<ResolvConf>;
}

// 127.1 and 0x7f000001 are addresses, as inet_aton(3) reads them; no name ends in a number.
const ENDS_IN_NUMBER = /(?:^|\.)(?:0[xX][0-9A-Fa-f]*|\d+)\.?$/;

/** The look-up of this system. Its answers have a time to live where they come from DNS. */
export function systemLookup(parts: SystemLookupParts): HostLookup {
  const { clock, fallback, transport = systemTransport } = parts;
  const { hosts = systemHosts(clock), resolvConf = systemResolvConf(clock) } = parts;
  const dns = new DnsClient({ transport, clock, settings: resolvConf });
  return async (host) => {
    const ip = canonicalIp(host);
    if (ip !== undefined) return { state: "found", ips: [ip] };
    if (ENDS_IN_NUMBER.test(host) || !isDnsName(host)) return fallback(host);
    const ips = (await hosts()).get(normalName(host));
    if (ips !== undefined) return { state: "found", ips };
    const conf = await resolvConf();
    if (conf.servers.length === 0) return fallback(host);
    const answer = await searchDns(dns, host, conf);
    return answer.state === "found" ? answer : afterDns(answer, await fallback(host));
  };
}

/** resolv.conf, read again when it changes. */
export function systemResolvConf(clock: Clock): () => Promise<ResolvConf> {
  const file = new SystemFile(RESOLV_CONF_PATH, parseResolvConf, clock);
  return () => file.value();
}

function systemHosts(clock: Clock): () => Promise<HostsFile> {
  const file = new SystemFile(HOSTS_PATH, parseHostsFile, clock);
  return () => file.value();
}

/** The names that `host` may be short for, in the order in which they are tried (resolv.conf(5), `search`). */
export function candidates(
  host: string,
  { search, ndots }: Pick<ResolvConf, "search" | "ndots">,
): readonly string[] {
  if (host.endsWith(".")) return [host];
  const longer = search.map((domain) => `${host}.${domain}`).filter(isDnsName);
  const dots = host.split(".").length - 1;
  return dots >= ndots ? [host, ...longer] : [...longer, host];
}

async function searchDns(dns: DnsClient, host: string, conf: ResolvConf): Promise<AddressAnswer> {
  const ttls: (number | undefined)[] = [];
  let failed: AddressAnswer | undefined;
  for (const name of candidates(host, conf)) {
    const answer = await lookupAddresses(dns, name);
    if (answer.state === "found") return answer;
    if (answer.state === "unknown") {
      ttls.push(answer.ttlMs);
      continue;
    }
    failed = answer;
    // Servers that are silent now will be silent for the other names too.
    if (!answer.answered) break;
  }
  return failed ?? unknown(ttls);
}

/** What counts when DNS did not find a name and the C library was asked after it. */
function afterDns(
  dns: Exclude<AddressAnswer, { readonly state: "found" }>,
  system: HostAnswer,
): HostAnswer {
  if (system.state === "found") return system;
  if (dns.state === "unknown") return dns;
  // Of two failures the one that names the servers.
  return system.state === "unknown" ? system : { state: "failed", cause: dns.cause };
}
