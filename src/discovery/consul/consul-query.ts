// What Consul is asked: addresses of requests, their headers, their trust.
import type { ConsulNamerConfig } from "../../config/namer-types.ts";
import type { Clock } from "../../lib/clock.ts";
import type { ExchangeOptions } from "../http-exchange.ts";
import { httpTls } from "../http-tls.ts";

/** How long Consul may hold a query back while nothing changes; it adds up to a sixteenth. */
export const WAIT_MS = 300_000;
/** How long an answer may take that is not held back. Consul's servers wait 7 s for a leader themselves. */
export const ANSWER_MS = 10_000;
/** Time for a query that is held back, to its end. */
export const BLOCKING_MS = WAIT_MS + WAIT_MS / 16 + ANSWER_MS;

/** The instances that are asked for. */
export interface ConsulQuestion {
  /** undefined for the agent's own. */
  readonly datacenter: string | undefined;
  readonly service: string;
  readonly tag: string | undefined;
}

/** The name for the data center of the agent that is asked. */
export const LOCAL = ".local";

/** Where instances are asked for. `index` is what Consul is to wait beyond; 0 for an answer at once. */
export function instancesUrl(
  config: ConsulNamerConfig,
  { datacenter, service, tag }: ConsulQuestion,
  index: bigint,
): string {
  const endpoint = config.useHealthCheck ? "health" : "catalog";
  const query: string[] = [];
  // Old servers take `passing=false` for `passing`, and `stale=false` for `stale`, so neither is written.
  if (config.consistencyMode !== "default") query.push(`${config.consistencyMode}=true`);
  if (datacenter !== undefined) query.push(`dc=${encodeBytes(datacenter)}`);
  if (tag !== undefined) query.push(`tag=${encodeBytes(tag)}`);
  if (config.useHealthCheck && passingOnly(config)) query.push("passing=true");
  if (index > 0n) query.push(`index=${index}`, `wait=${WAIT_MS / 60_000}m`);
  const text = query.length === 0 ? "" : `?${query.join("&")}`;
  return `${config.baseUrl}/v1/${endpoint}/service/${encodeBytes(service)}${text}`;
}

/** Where the agent is asked about itself. */
export function agentUrl(config: ConsulNamerConfig): string {
  return `${config.baseUrl}/v1/agent/self`;
}

/** An exchange for one whole answer of Consul. */
export function consulExchange(
  { token, tls }: ConsulNamerConfig,
  url: string,
  timeoutMs: number,
  clock: Clock,
): ExchangeOptions {
  return {
    url,
    peer: "Consul",
    framing: "body",
    whole: true,
    timeoutMs,
    clock,
    ...(token !== undefined && { headers: { "X-Consul-Token": token } }),
    ...(tls !== undefined && { tls: httpTls(tls) }),
  };
}

function passingOnly({ healthStatuses }: ConsulNamerConfig): boolean {
  return healthStatuses.length === 1 && healthStatuses[0] === "passing";
}

/** Characters of labels stand for bytes, so `encodeURIComponent` would encode them twice. */
function encodeBytes(label: string): string {
  return label.replace(
    /[^A-Za-z0-9_.~-]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
