// Reads the value of a key as endpoints: a line of text, or JSON for one or many.
import { isRecord, parseJson } from "../../lib/json.ts";
import type { HostEndpoint } from "../../config/types.ts";
import { canonicalIp, parsePort } from "../../lib/address.ts";
import { parseEndpointLine, readHost } from "../../naming/endpoint-line.ts";
import { DEFAULT_WEIGHT } from "../endpoint-set.ts";

export interface EtcdEndpoints {
  readonly endpoints: readonly HostEndpoint[];
  /** What was left out, and why: clauses for people, which say where in the value. */
  readonly problems: readonly string[];
}

/**
 * Reads one endpoint, `host:port * weight` or `{"host" or "ip", "port", "weight"}`, or a JSON list of both, which may
 * stand in `{"endpoints": [...]}`. What cannot be used is a problem and the rest counts all the same. Any text gives a
 * value.
 */
export function parseEtcdEndpoints(text: string): EtcdEndpoints {
  const value = parseJson(text);
  if (Array.isArray(value)) return readAll(value, "");
  if (isRecord(value) && "endpoints" in value) {
    const { endpoints } = value;
    if (Array.isArray(endpoints)) return readAll(endpoints, "endpoints");
    return { endpoints: [], problems: ["endpoints must be a list"] };
  }
  // A line is no JSON, and where it happens to be, such as a lone number, it is no line either.
  const [only, problem] = result(readOne(value ?? text));
  return { endpoints: only, problems: problem };
}

function readAll(list: readonly unknown[], name: string): EtcdEndpoints {
  const read = list.map((item) => result(readOne(item)));
  return {
    endpoints: read.flatMap(([endpoints]) => endpoints),
    problems: read.flatMap(([, problems], index) =>
      problems.map((it) => `${name}[${index}]: ${it}`),
    ),
  };
}

type One = HostEndpoint | { readonly problem: string };

function result(one: One): readonly [readonly HostEndpoint[], readonly string[]] {
  return "problem" in one ? [[], [one.problem]] : [[one], []];
}

function readOne(value: unknown): One {
  if (typeof value === "string") return parseEndpointLine(value.trim());
  if (!isRecord(value)) return { problem: "expected host:port, or an object with host and port" };
  const host = readHostOf(value["ip"], value["host"]);
  if (host === undefined) return { problem: "the host must be an IP address or a host name" };
  const port = readPort(value["port"]);
  if (port === undefined) return { problem: "the port must be a number from 1 to 65535" };
  const { weight = DEFAULT_WEIGHT } = value;
  if (typeof weight !== "number" || !Number.isFinite(weight) || weight < 0) {
    return { problem: "the weight must be a number, 0 or more" };
  }
  return { host, port, weight };
}

/** `ip` counts where both are given: it needs no look-up. */
function readHostOf(ip: unknown, host: unknown): string | undefined {
  if (ip !== undefined) return typeof ip === "string" ? canonicalIp(ip) : undefined;
  return typeof host === "string" ? readHost(host) : undefined;
}

function readPort(port: unknown): number | undefined {
  return typeof port === "number" || typeof port === "string" ? parsePort(`${port}`) : undefined;
}
