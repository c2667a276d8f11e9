// What a server's message says about a question: the records asked for, or that there are none.
import {
  type AddressRecord,
  type DnsRecord,
  type Message,
  normalName,
  type Question,
  RCODE,
  rcodeName,
} from "./message.ts";

/**
 * The answer to a question. `found`: one or more records of the type asked for. `nodata`: the name exists, but has no
 * such record. `nxdomain`: there is no such name. `failed`: nobody could say; `cause` is one clause for people that names
 * the servers, and `answered` tells whether one of them was there at all.
 */
export type DnsAnswer =
  | {
      readonly state: "found";
      readonly records: readonly DnsRecord[];
      /** Shortest time to live of the records and of the aliases that led to them. */
      readonly ttlMs: number;
      /** Addresses that the server gave along unasked, such as those of SRV targets. */
      readonly additionals: readonly AddressRecord[];
    }
  | {
      readonly state: "nodata" | "nxdomain";
      /** How long that may be relied on (RFC 2308 §5); undefined where the server did not say. */
      readonly ttlMs: number | undefined;
    }
  | { readonly state: "failed"; readonly cause: string; readonly answered: boolean };

/** What a message is worth; `refused` names the error of a server that did not answer the question. */
export type MessageAnswer =
  | Exclude<DnsAnswer, { readonly state: "failed" }>
  | { readonly state: "refused"; readonly error: string };

/** Reads the answer to `question` out of a message that replies to it. */
export function answerOf(message: Message, question: Question): MessageAnswer {
  const { rcode, answers, additionals } = message;
  if (rcode !== RCODE.noError && rcode !== RCODE.nxDomain) {
    return { state: "refused", error: rcodeName(rcode) };
  }
  const { name, ttlMs: aliasTtlMs } = followAliases(answers, normalName(question.name));
  const records = answers.filter((it) => it.type === question.type && it.name === name);
  if (records.length === 0) {
    // An alias whose target does not exist is NXDOMAIN too (RFC 2308 §2.1).
    const state = rcode === RCODE.nxDomain ? "nxdomain" : "nodata";
    return { state, ttlMs: negativeTtl(message) };
  }
  return {
    state: "found",
    records,
    ttlMs: records.reduce((least, { ttlMs }) => Math.min(least, ttlMs), aliasTtlMs),
    additionals: additionals.filter(isAddress),
  };
}

/** Where the aliases of `name` end, as far as the answer tells; a circle ends where it closes. */
function followAliases(
  answers: readonly DnsRecord[],
  name: string,
): { readonly name: string; readonly ttlMs: number } {
  const aliases = new Map(answers.filter((it) => it.type === "CNAME").map((it) => [it.name, it]));
  let end = name;
  let ttlMs = Infinity;
  for (;;) {
    const alias = aliases.get(end);
    if (alias === undefined) return { name: end, ttlMs };
    aliases.delete(end);
    end = alias.target;
    ttlMs = Math.min(ttlMs, alias.ttlMs);
  }
}

function negativeTtl({ authorities }: Message): number | undefined {
  const soa = authorities.find((it) => it.type === "SOA");
  return soa && Math.min(soa.ttlMs, soa.minimumMs);
}

/** Whether a record holds an address. */
export function isAddress(record: DnsRecord): record is AddressRecord {
  return record.type === "A" || record.type === "AAAA";
}
