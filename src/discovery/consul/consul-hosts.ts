// The hosts of Consul's instances, as addresses: services outside of the cluster are often registered by name.
import { canonicalIp } from "../../lib/address.ts";
import { HostEndpoints } from "../host-endpoints.ts";
import type { NamerDeps } from "../namer.ts";

/** Whether the addresses of the hosts are known. `cause` is one sentence for people. */
export type HostsKnown = { readonly ok: true } | { readonly ok: false; readonly cause: string };

/** Follows a list of hosts. Reports when their addresses are known, after each time they were looked up, and on each `set`. */
export class ConsulHosts {
  readonly #endpoints: HostEndpoints;
  readonly #report: (known: HostsKnown) => void;
  /** What each name had last. */
  readonly #ips = new Map<string, readonly string[]>();
  #hosts: readonly string[] = [];
  #known: HostsKnown | undefined;

  constructor(deps: NamerDeps, report: (known: HostsKnown) => void) {
    this.#report = report;
    const lookup: NamerDeps["lookup"] = async (host) => {
      const answer = await deps.lookup(host);
      // The list may have changed meanwhile.
      if (answer.state === "found" && this.#hosts.includes(host)) this.#ips.set(host, answer.ips);
      return answer;
    };
    this.#endpoints = new HostEndpoints({ ...deps, lookup }, (resolution) => {
      if (resolution.state === "bound") return this.#tell({ ok: true });
      const cause =
        resolution.state === "failed"
          ? resolution.cause
          : "the instances in Consul have host names that nobody knows";
      this.#tell({ ok: false, cause });
    });
  }

  /** The addresses of a host of the list; empty while they are not known. */
  ips(host: string): readonly string[] {
    if (canonicalIp(host) !== undefined) return [host];
    return (this.#ips.get(host) ?? []).flatMap((ip) => canonicalIp(ip) ?? []);
  }

  /** Follows these from now on. Reports at once if none has to be looked up first. */
  set(hosts: readonly string[]): void {
    const list = [...new Set(hosts)].sort();
    if (Bun.deepEquals(list, this.#hosts)) {
      if (this.#known !== undefined) this.#report(this.#known);
      return;
    }
    this.#follow(list);
    if (list.every((host) => canonicalIp(host) !== undefined)) {
      this.#endpoints.clear();
      return this.#tell({ ok: true });
    }
    // HostEndpoints follows endpoints; of theirs only the host matters here.
    this.#endpoints.set(list.map((host) => ({ host, port: 1, weight: 1 })));
  }

  /** Follows nothing, and reports nothing, until the next `set`. */
  clear(): void {
    this.#follow([]);
    this.#endpoints.clear();
  }

  #follow(list: readonly string[]): void {
    this.#hosts = list;
    this.#known = undefined;
    for (const name of this.#ips.keys()) if (!list.includes(name)) this.#ips.delete(name);
  }

  #tell(known: HostsKnown): void {
    this.#known = known;
    this.#report(known);
  }
}
