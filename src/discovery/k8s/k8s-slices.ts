// What of Kubernetes' EndpointSlices and Services counts here, and what several slices mean together. Pure.
import { canonicalIp } from "../../lib/address.ts";
import type { WeightedAddress } from "../../naming/resolution.ts";
import { DEFAULT_WEIGHT } from "../endpoint-set.ts";
import { isJson, type Json, type Parsed } from "./k8s-object.ts";

/** A port of a slice, TCP. */
export interface SlicePort {
  /** Empty for the only port of a service, which needs no name. */
  readonly name: string;
  readonly port: number;
}

/** An endpoint of a slice that could be used now. */
export interface SliceEndpoint {
  /** Canonical. */
  readonly ip: string;
  readonly nodeName: string | undefined;
  /** `ready`: takes new connections. `draining`: is terminating and still serves, for when there is nobody else. */
  readonly use: "ready" | "draining";
}

/** An EndpointSlice. */
export interface Slice {
  readonly ports: readonly SlicePort[];
  /** Whether it has ports at all, of any protocol. */
  readonly anyPort: boolean;
  readonly endpoints: readonly SliceEndpoint[];
  /** Endpoints that would be used if their address were one. */
  readonly skipped: number;
}

/** A Service: the names of its TCP ports by their number. */
export interface Service {
  readonly portNames: ReadonlyMap<number, string>;
}

/** What slices say about one port. */
export interface PortEndpoints {
  /** Whether any slice has the port. */
  readonly known: boolean;
  /** Each address once, sorted. */
  readonly endpoints: readonly WeightedAddress[];
  /** Endpoints that were left out because their address cannot be used. */
  readonly skipped: number;
}

/** Reads an EndpointSlice of discovery.k8s.io/v1. */
export function readSlice(object: Json): Parsed<Slice> {
  // Go writes lists that were never filled as null.
  const ports = object["ports"] ?? [];
  const endpoints = object["endpoints"] ?? [];
  if (!Array.isArray(ports)) return { ok: false, problem: "its ports are no list" };
  if (!Array.isArray(endpoints)) return { ok: false, problem: "its endpoints are no list" };
  const { addressType } = object;
  const hasIps = addressType === "IPv4" || addressType === "IPv6";
  const usable: SliceEndpoint[] = [];
  let skipped = 0;
  for (const endpoint of endpoints) {
    const read = readEndpoint(endpoint, hasIps);
    if (read === "skipped") skipped++;
    else if (read !== undefined) usable.push(read);
  }
  const anyPort = ports.length > 0;
  return {
    ok: true,
    value: { ports: ports.flatMap(readSlicePort), anyPort, endpoints: usable, skipped },
  };
}

/** Reads a Service of v1. */
export function readService(object: Json): Parsed<Service> {
  const { spec } = object;
  const ports = (isJson(spec) ? spec["ports"] : undefined) ?? [];
  if (!Array.isArray(ports)) return { ok: false, problem: "its ports are no list" };
  const named = ports.flatMap(readSlicePort).map(({ name, port }) => [port, name] as const);
  return { ok: true, value: { portNames: new Map(named) } };
}

/**
 * The endpoints of one port, by its name, in all slices of a service: those that are ready, or where there is none, those
 * that are terminating and still serve, as kube-proxy chooses (KEP-1669). While the controller moves an endpoint from a
 * slice to another, both may have it: it counts once, and is ready if it is in either.
 */
export function endpointsOf(slices: Iterable<Slice>, portName: string): PortEndpoints {
  const ready = new Map<string, WeightedAddress>();
  const draining = new Map<string, WeightedAddress>();
  let known = false;
  let skipped = 0;
  for (const slice of slices) {
    const port = slice.ports.find(({ name }) => name === portName)?.port;
    if (port === undefined) continue;
    known = true;
    skipped += slice.skipped;
    for (const { ip, nodeName, use } of slice.endpoints) {
      const address = { ip, port, weight: DEFAULT_WEIGHT };
      const told = nodeName === undefined ? address : { ...address, meta: { nodeName } };
      (use === "ready" ? ready : draining).set(`${ip} ${port}`, told);
    }
  }
  const chosen = ready.size > 0 ? ready : draining;
  // The order of slices means nothing: sorting makes equal sets equal lists.
  const endpoints = [...chosen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, it]) => it);
  return { known, endpoints, skipped };
}

function readEndpoint(endpoint: unknown, hasIps: boolean): SliceEndpoint | "skipped" | undefined {
  if (!isJson(endpoint)) return "skipped";
  const use = useOf(endpoint["conditions"]);
  if (use === undefined) return undefined;
  // All addresses of an endpoint lead to the same place, and clients may take the first (API reference, EndpointSlice).
  const [first] = Array.isArray(endpoint["addresses"]) ? endpoint["addresses"] : [];
  const ip = hasIps && typeof first === "string" ? canonicalIp(first) : undefined;
  if (ip === undefined) return "skipped";
  const { nodeName } = endpoint;
  return {
    ip,
    use,
    nodeName: typeof nodeName === "string" && nodeName !== "" ? nodeName : undefined,
  };
}

/** An endpoint whose conditions are not known is ready; one that does not say whether it serves does so if it is ready. */
function useOf(conditions: unknown): "ready" | "draining" | undefined {
  const { ready, serving, terminating } = isJson(conditions) ? conditions : {};
  if ((ready ?? true) === true) return "ready";
  return serving === true && terminating === true ? "draining" : undefined;
}

function readSlicePort(value: unknown): SlicePort[] {
  if (!isJson(value)) return [];
  const { port, protocol, name } = value;
  if ((protocol ?? "TCP") !== "TCP" || !isPort(port)) return [];
  return [{ name: typeof name === "string" ? name : "", port }];
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 65_535;
}
