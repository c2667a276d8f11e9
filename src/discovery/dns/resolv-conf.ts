// The system's resolver configuration, resolv.conf(5), and name servers as they are written in a configuration.
import { type Address, canonicalIp, parsePort } from "../../lib/address.ts";
import type { DnsSettings } from "./client.ts";
import { isDnsName } from "./message.ts";

export const RESOLV_CONF_PATH = "/etc/resolv.conf";

export interface ResolvConf extends DnsSettings {
  /** Domains that are tried behind a name, in order. */
  readonly search: readonly string[];
  /** A name with fewer dots is tried with the domains first. */
  readonly ndots: number;
}

// The C library's limits and defaults, so that both see the same (resolv.conf(5)).
const DNS_PORT = 53;
const MOST_SERVERS = 3;
const MOST_DOMAINS = 32;
const DEFAULTS = { ndots: 1, timeout: 5, attempts: 2 };
const LIMITS = { ndots: [0, 15], timeout: [1, 30], attempts: [1, 5] } as const;

/**
 * Reads the text of resolv.conf. What it does not understand is left out, so that any text gives a configuration. Without a
 * `nameserver` there is none: the C library would ask 127.0.0.1, which is left to it.
 */
export function parseResolvConf(text: string): ResolvConf {
  const servers: Address[] = [];
  let search: readonly string[] = [];
  const options = { ...DEFAULTS };
  for (const line of text.split("\n")) {
    const [keyword = "", ...values] = line.split(/\s+/);
    switch (keyword) {
      case "nameserver": {
        const ip = canonicalIp(values[0] ?? "");
        if (ip !== undefined) servers.push({ ip, port: DNS_PORT });
        break;
      }
      case "domain":
        search = readDomains(values.slice(0, 1));
        break;
      case "search":
        search = readDomains(values);
        break;
      case "options":
        for (const value of values) readOption(value, options);
        break;
      default:
        break;
    }
  }
  return {
    servers: servers.slice(0, MOST_SERVERS),
    search,
    ndots: options.ndots,
    timeoutMs: options.timeout * 1_000,
    attempts: options.attempts,
  };
}

/** Reads `ip`, `ip:port` or `[ip]:port`; undefined for anything else. */
export function parseNameServer(text: string): Address | undefined {
  const bare = canonicalIp(text);
  if (bare !== undefined) return { ip: bare, port: DNS_PORT };
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, Math.max(0, colon));
  // An IPv6 address needs its brackets: without them its end could be the port.
  const ip = host.includes(":") && !host.startsWith("[") ? undefined : canonicalIp(host);
  const port = parsePort(text.slice(colon + 1));
  return ip === undefined || port === undefined ? undefined : { ip, port };
}

function readDomains(words: readonly string[]): readonly string[] {
  return words.filter(isDnsName).slice(0, MOST_DOMAINS);
}

/** Takes `name:number` over, cut to its limits. */
function readOption(word: string, options: Record<keyof typeof LIMITS, number>): void {
  const [, name, digits] = /^(ndots|timeout|attempts):(\d{1,9})$/.exec(word) ?? [];
  if (name !== "ndots" && name !== "timeout" && name !== "attempts") return;
  const [least, most] = LIMITS[name];
  options[name] = Math.min(most, Math.max(least, Number(digits)));
}
