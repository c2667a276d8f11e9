// Reads what Consul answers: the instances of a service, and what an agent says of itself. Any text gives a value or a cause.
import { isRecord, parseJson } from "../../lib/json.ts";
import type { ConsulHealth } from "../../config/namer-types.ts";
import { canonicalIp } from "../../lib/address.ts";
import { MAX_WEIGHT } from "../endpoint-set.ts";
import { quote } from "../quote.ts";

/** One instance of a service that can be connected to. */
export interface ConsulInstance {
  /** Canonical IP literal or host name. */
  readonly host: string;
  readonly port: number;
  readonly tags: readonly string[];
  /** The worst of its checks; `passing` where the catalog was asked, which tells none. */
  readonly health: ConsulHealth;
  /** Consul's own weights, by health. */
  readonly weights: { readonly passing: number; readonly warning: number };
  readonly nodeMeta: Strings;
  readonly serviceMeta: Strings;
}

type Strings = Readonly<Record<string, string>>;

export type Parsed<T> =
  | ({ readonly ok: true } & T)
  /** One sentence for people, which names Consul. */
  | { readonly ok: false; readonly cause: string };

/** How an answer is to be read. */
export interface Reading {
  /** From `/v1/health/service`, rather than `/v1/catalog/service`. */
  readonly health: boolean;
  /** The address of the service before that of its node. */
  readonly preferServiceAddress: boolean;
}

/** How one instance was found: usable, without a port (as a service may be), or not to be read. */
type Entry = ConsulInstance | "portless" | "unusable";

/**
 * Reads the list of instances. Entries that cannot be used are left out and counted; where that leaves none of several, the
 * whole is no answer: Consul knows instances, so the service has not gone. Instances without a port are left out uncounted.
 */
export function parseInstances(
  text: string,
  reading: Reading,
): Parsed<{ readonly instances: readonly ConsulInstance[]; readonly skipped: number }> {
  const list = parseJson(text);
  if (!Array.isArray(list)) {
    return { ok: false, cause: `Consul gave no list of instances but: ${quote(text)}` };
  }
  const entries = list.map((entry) => readEntry(entry, reading));
  const instances = entries.filter((entry): entry is ConsulInstance => typeof entry === "object");
  const skipped = entries.filter((entry) => entry === "unusable").length;
  if (instances.length === 0 && skipped > 0) {
    return { ok: false, cause: `none of the ${skipped} instances that Consul gave can be used` };
  }
  return { ok: true, instances, skipped };
}

/** What an agent is called by. */
export interface ConsulAgentInfo {
  /** The data center it is in; undefined where it does not say. */
  readonly datacenter: string | undefined;
  /** The domain of names in Consul's DNS, without a dot at its end. */
  readonly domain: string;
}

/** The domain of agents that are not told another. */
export const DEFAULT_DOMAIN = "consul";

/** Reads the answer of `/v1/agent/self`. Since Consul 1.0 the domain is in `DebugConfig`, before it was in `Config`. */
export function parseAgent(text: string): Parsed<{ readonly info: ConsulAgentInfo }> {
  const agent = parseJson(text);
  if (!isRecord(agent) || !isRecord(agent["Config"])) {
    return { ok: false, cause: `Consul's agent did not describe itself but said: ${quote(text)}` };
  }
  const config = agent["Config"];
  const debug = isRecord(agent["DebugConfig"]) ? agent["DebugConfig"] : {};
  const domain = dnsName(debug["DNSDomain"]) ?? dnsName(config["Domain"]) ?? DEFAULT_DOMAIN;
  return { ok: true, info: { datacenter: dnsName(config["Datacenter"]), domain } };
}

/** An index of the header `X-Consul-Index`: an unsigned number of 64 bits. undefined when it is missing or none. */
export function parseIndex(header: string | null): bigint | undefined {
  if (header === null || !/^[0-9]{1,20}$/.test(header)) return undefined;
  const index = BigInt(header);
  return index < 2n ** 64n ? index : undefined;
}

/** What both endpoints tell of an instance, under the names of neither. */
interface RawEntry {
  readonly nodeAddress: unknown;
  readonly serviceAddress: unknown;
  readonly port: unknown;
  readonly tags: unknown;
  readonly weights: unknown;
  readonly nodeMeta: unknown;
  readonly serviceMeta: unknown;
  readonly checks: unknown;
}

function readEntry(entry: unknown, reading: Reading): Entry {
  const raw = reading.health ? healthEntry(entry) : catalogEntry(entry);
  if (raw === undefined) return "unusable";
  const { port } = raw;
  const host = usableHost(raw, reading.preferServiceAddress);
  const health = worstHealth(raw.checks);
  if (host === undefined || health === undefined) return "unusable";
  if (port === undefined || port === null || port === 0) return "portless";
  if (!isPort(port)) return "unusable";
  return {
    host,
    port,
    tags: Array.isArray(raw.tags) ? raw.tags.filter((tag) => typeof tag === "string") : [],
    health,
    weights: readWeights(raw.weights),
    nodeMeta: strings(raw.nodeMeta),
    serviceMeta: strings(raw.serviceMeta),
  };
}

function catalogEntry(entry: unknown): RawEntry | undefined {
  if (!isRecord(entry)) return undefined;
  return {
    nodeAddress: entry["Address"],
    serviceAddress: entry["ServiceAddress"],
    port: entry["ServicePort"],
    tags: entry["ServiceTags"],
    weights: entry["ServiceWeights"],
    nodeMeta: entry["NodeMeta"],
    serviceMeta: entry["ServiceMeta"],
    checks: [],
  };
}

function healthEntry(entry: unknown): RawEntry | undefined {
  if (!isRecord(entry)) return undefined;
  const { Node: node, Service: service, Checks: checks } = entry;
  if (!isRecord(node) || !isRecord(service)) return undefined;
  return {
    nodeAddress: node["Address"],
    serviceAddress: service["Address"],
    port: service["Port"],
    tags: service["Tags"],
    weights: service["Weights"],
    nodeMeta: node["Meta"],
    serviceMeta: service["Meta"],
    // Go writes an empty list as null.
    checks: checks ?? [],
  };
}

// Underscores stand in names that people use, though not in host names proper (RFC 952).
const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$/;

function usableHost(
  { nodeAddress, serviceAddress }: RawEntry,
  preferServiceAddress: boolean,
): string | undefined {
  const [first, second] = preferServiceAddress
    ? [serviceAddress, nodeAddress]
    : [nodeAddress, serviceAddress];
  const host = first === undefined || first === null || first === "" ? second : first;
  if (typeof host !== "string") return undefined;
  return canonicalIp(host) ?? (HOST_NAME.test(host) ? host.toLowerCase() : undefined);
}

const BY_BADNESS = [
  "passing",
  "warning",
  "critical",
  "maintenance",
] as const satisfies ConsulHealth[];

/** The worst of the checks. A status that is not known is taken for critical; undefined for what is no list of checks. */
function worstHealth(checks: unknown): ConsulHealth | undefined {
  if (!Array.isArray(checks)) return undefined;
  let worst = 0;
  for (const check of checks) {
    if (!isRecord(check)) return undefined;
    worst = Math.max(worst, BY_BADNESS.indexOf(healthOf(check)));
  }
  return BY_BADNESS[worst];
}

function healthOf({ CheckID: id, Status: status }: Record<string, unknown>): ConsulHealth {
  // Maintenance is a critical check of one of these names.
  if (typeof id === "string" && /^_node_maintenance$|^_service_maintenance:/.test(id)) {
    return "maintenance";
  }
  return status === "passing" || status === "warning" ? status : "critical";
}

/** Consul lets nobody register a passing weight below 1: then there are no weights, as from old agents. */
function readWeights(value: unknown): ConsulInstance["weights"] {
  const { Passing: passing, Warning: warning } = isRecord(value) ? value : {};
  if (!isWeight(passing) || passing < 1) return { passing: 1, warning: 1 };
  return { passing, warning: isWeight(warning) ? warning : 1 };
}

function isWeight(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_WEIGHT;
}

function strings(value: unknown): Strings {
  if (!isRecord(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );
}

function dnsName(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const name = value.replace(/\.$/, "");
  return HOST_NAME.test(name) ? name : undefined;
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}
