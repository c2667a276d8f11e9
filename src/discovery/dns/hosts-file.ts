// The system's own table of hosts, hosts(5).
import { canonicalIp } from "../../lib/address.ts";
import { normalName } from "./message.ts";

export const HOSTS_PATH = "/etc/hosts";

/** IP literals, canonical and each once, by host name as `normalName` gives it. */
export type HostsFile = ReadonlyMap<string, readonly string[]>;

/** Reads the text of a hosts file; lines that are none are left out. A name may stand on several lines. */
export function parseHostsFile(text: string): HostsFile {
  const hosts = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const ip = canonicalIp(address);
    if (ip === undefined) continue;
    for (const name of names.map(normalName)) {
      const ips = hosts.get(name);
      if (ips === undefined) hosts.set(name, [ip]);
      else if (!ips.includes(ip)) ips.push(ip);
    }
  }
  return hosts;
}
