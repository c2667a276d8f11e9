// Reads one answer of namerd's `resolve`. Whatever the text, it gives a value.
import { isRecord, parseJson } from "../../lib/json.ts";
import type { Resolution } from "../../naming/resolution.ts";
import { endpointSet, type RawEndpoint } from "../endpoint-set.ts";
import { quote } from "../quote.ts";

/** What an answer says. */
export interface NamerdAnswer {
  readonly resolution: Resolution;
  /** Addresses left out because they cannot be used. */
  readonly skipped: number;
  /** Addresses whose weight cannot be used, taken with another. */
  readonly repaired: number;
  /** Whether the text was not an answer of namerd at all, such as the error line that ends a failed stream. */
  readonly garbage: boolean;
}

/**
 * Reads one JSON value. An answer with addresses of which none can be used is `failed`, not empty: namerd knows
 * endpoints, so the name has not gone.
 */
export function parseNamerdAnswer(text: string): NamerdAnswer {
  const value = parseJson(text);
  if (!isRecord(value)) return garbage(`namerd answered: ${quote(text)}`);
  switch (value["type"]) {
    case "bound":
      return bound(value["addrs"]);
    case "neg":
      return plain({ state: "neg" });
    case "pending":
      return plain({ state: "pending" });
    case "failed": {
      const cause = value["cause"];
      const because =
        typeof cause === "string" && cause !== "" ? quote(cause) : "no cause was given";
      return plain({ state: "failed", cause: `namerd could not resolve: ${because}` });
    }
    default:
      return garbage(`namerd gave an answer of unknown type: ${quote(text)}`);
  }
}

function bound(addrs: unknown): NamerdAnswer {
  if (!Array.isArray(addrs))
    return garbage("namerd gave a bound answer without a list of addresses");
  const { endpoints, skipped, repaired } = endpointSet(addrs.map(rawEndpoint));
  if (endpoints.length > 0 || skipped === 0) {
    return { resolution: { state: "bound", endpoints }, skipped, repaired, garbage: false };
  }
  const cause = `none of the ${skipped} addresses that namerd gave can be used`;
  return { resolution: { state: "failed", cause }, skipped, repaired, garbage: false };
}

function rawEndpoint(addr: unknown): RawEndpoint {
  if (!isRecord(addr)) return { ip: undefined, port: undefined, weight: undefined };
  const meta = addr["meta"];
  const weight = isRecord(meta) ? meta["endpoint_addr_weight"] : undefined;
  return { ip: addr["ip"], port: addr["port"], weight };
}

function plain(resolution: Resolution): NamerdAnswer {
  return { resolution, skipped: 0, repaired: 0, garbage: false };
}

function garbage(cause: string): NamerdAnswer {
  return { resolution: { state: "failed", cause }, skipped: 0, repaired: 0, garbage: true };
}
