// One look at an SRV name: its records, and the addresses of the targets that get traffic.
import type { WeightedAddress } from "../../naming/resolution.ts";
import { type AddressAnswer, lookupAddresses, unknown } from "./addresses.ts";
import type { DnsAnswer } from "./answer.ts";
import type { DnsQuerier } from "./client.ts";
import { type AddressRecord, isDnsName, type SrvRecord } from "./message.ts";
import { srvClasses, srvEndpoints } from "./srv-set.ts";

/** `unknown`: there is no such service, or none of its targets exists. `cause` is a clause for people. */
export type SrvAnswer =
  | {
      readonly state: "found";
      /** One or more. */
      readonly endpoints: readonly WeightedAddress[];
      /** Addresses whose port cannot be used. */
      readonly skipped: number;
      /** Shortest time to live of all that led to the endpoints. */
      readonly ttlMs: number;
    }
  | { readonly state: "unknown"; readonly ttlMs?: number }
  | { readonly state: "failed"; readonly cause: string };

type Found = Extract<DnsAnswer, { readonly state: "found" }>;

/**
 * Looks one name up again and again. Remembers the addresses of targets, which stay when they cannot be looked up: a name
 * server that fails must not take live endpoints away.
 */
export class SrvLookup {
  readonly #dns: DnsQuerier;
  readonly #name: string;
  #remembered = new Map<string, readonly string[]>();

  constructor(dns: DnsQuerier, name: string) {
    this.#dns = dns;
    this.#name = name;
  }

  /** Never rejects. An abort makes it `failed` soon. */
  async look(signal: AbortSignal): Promise<SrvAnswer> {
    const answer = await this.#dns.query({ name: this.#name, type: "SRV" }, signal);
    switch (answer.state) {
      case "failed":
        return { state: "failed", cause: answer.cause };
      case "nodata":
      case "nxdomain":
        this.#remembered.clear();
        return unknown([answer.ttlMs]);
      case "found":
        return this.#resolve(answer, signal);
      default:
        return answer satisfies never;
    }
  }

  /** Takes the first class of priority in which there is an address. */
  async #resolve(answer: Found, signal: AbortSignal): Promise<SrvAnswer> {
    const given = Map.groupBy(answer.additionals, ({ name }) => name);
    const ttls: (number | undefined)[] = [answer.ttlMs];
    const used = new Map<string, readonly string[]>();
    let cause: string | undefined;
    for (const members of srvClasses(answer.records.filter((it) => it.type === "SRV"))) {
      for (const [target, addresses] of await this.#lookUp(members, given, signal)) {
        if (addresses.state === "failed") cause ??= `${target}: ${addresses.cause}`;
        else ttls.push(addresses.ttlMs);
        used.set(target, this.#ipsOf(target, addresses));
      }
      const { endpoints, skipped } = srvEndpoints(members, (target) => used.get(target) ?? []);
      if (endpoints.length === 0) continue;
      this.#remembered = used;
      return { state: "found", endpoints, skipped, ttlMs: shortest(ttls) };
    }
    return cause === undefined ? unknown(ttls) : { state: "failed", cause };
  }

  async #lookUp(
    members: readonly SrvRecord[],
    given: ReadonlyMap<string, readonly AddressRecord[]>,
    signal: AbortSignal,
  ): Promise<readonly (readonly [string, AddressAnswer])[]> {
    const targets = new Set(members.map(({ target }) => target));
    return Promise.all(
      [...targets].map(async (target) => {
        const records = given.get(target);
        return [target, fromRecords(records) ?? (await this.#ask(target, signal))] as const;
      }),
    );
  }

  async #ask(target: string, signal: AbortSignal): Promise<AddressAnswer> {
    return isDnsName(target) ? lookupAddresses(this.#dns, target, signal) : { state: "unknown" };
  }

  #ipsOf(target: string, addresses: AddressAnswer): readonly string[] {
    if (addresses.state === "found") return addresses.ips;
    return addresses.state === "failed" ? (this.#remembered.get(target) ?? []) : [];
  }
}

/** What the server gave along with its answer. */
function fromRecords(records: readonly AddressRecord[] | undefined): AddressAnswer | undefined {
  if (records === undefined) return undefined;
  const ttlMs = shortest(records.map((record) => record.ttlMs));
  return { state: "found", ips: records.map(({ ip }) => ip), ttlMs };
}

function shortest(ttls: readonly (number | undefined)[]): number {
  return Math.min(...ttls.filter((ttlMs) => ttlMs !== undefined));
}
