// The state of the whole proxy as the admin port shows it.
import type {
  ConfigurationStatus,
  DestinationStatus,
  DrainStatus,
  EjectionStatus,
  EndpointStatus,
  ServerStatus,
  Status,
  UpgradeStatus,
} from "../admin/admin-port.ts";
import { describeRoutes } from "../config/describe-routes.ts";
import { leadsTo } from "../config/route-paths.ts";
import type { Destination, EndpointAddress } from "../control/destination.ts";
import type { ServerRefusals } from "../control/limits.ts";
import type { NamerStatus } from "../discovery/create-namers.ts";
import { formatAddress } from "../lib/address.ts";
import type { EndpointRow } from "../telemetry/endpoint-table.ts";
import type { EndpointSpec } from "../wire/messages.ts";
import type { LiveCounts } from "./live-counts.ts";
import type { Certificates } from "./certificates/certificates.ts";
import type { BoundServer } from "./servers.ts";
import type { InEffect } from "./reload/reloader.ts";
import { VERSION } from "./version.ts";

/** What a status is made from. */
export interface StatusParts {
  readonly state: Status["state"];
  readonly upgrade: UpgradeStatus | undefined;
  readonly uptimeMs: number;
  readonly nowMs: number;
  /** Since 1970. */
  readonly wallMs: number;
  readonly workers: number;
  readonly configuration: InEffect;
  readonly servers: readonly BoundServer[];
  readonly destinations: readonly Destination[];
  readonly namers: readonly NamerStatus[];
  readonly drains: readonly DrainStatus[];
  readonly overrides: Status["overrides"];
  readonly counts: LiveCounts;
  /** Whether a server accepts no more. */
  readonly isClosed: (server: number) => boolean;
  readonly refusals: readonly ServerRefusals[];
  /** Undefined where there are none. */
  readonly certificates?: Certificates | undefined;
  /** Why an endpoint is unhealthy, or failed its last check. */
  readonly reason: (destination: Destination, address: EndpointAddress) => string | undefined;
}

export function statusOf(parts: StatusParts): Status {
  return {
    version: VERSION,
    pid: process.pid,
    state: parts.state,
    ...(parts.upgrade !== undefined && { upgrade: parts.upgrade }),
    uptimeSeconds: Math.floor(parts.uptimeMs / 1000),
    workers: parts.workers,
    configuration: configurationStatus(parts.configuration),
    servers: parts.servers.map((server) => serverStatus(server, parts)),
    destinations: parts.destinations.map((destination) => destinationStatus(destination, parts)),
    namers: parts.namers,
    drains: parts.drains,
    overrides: parts.overrides,
    refusals: parts.refusals,
    certificates: parts.certificates?.status() ?? [],
    refusedCertificates: parts.certificates?.refused() ?? [],
  };
}

function serverStatus(
  { id, router, config, socket }: BoundServer,
  { counts, isClosed }: StatusParts,
): ServerStatus {
  const address = formatAddress(socket);
  const { active = 0, waiters = 0, queue } = counts.server(router, address);
  return {
    router,
    address,
    dstName: leadsTo(config),
    tls: config.tls !== undefined,
    ...(config.routing && {
      passthrough: config.routing.passthrough !== undefined,
      routes: describeRoutes(config.routing),
    }),
    accepts: !isClosed(id),
    connections: active,
    waiting: waiters,
    acceptQueue: queue,
  };
}

function configurationStatus({
  generation,
  fingerprint,
  loadedAtMs,
  last,
}: InEffect): ConfigurationStatus {
  const iso = (ms: number): string => new Date(ms).toISOString();
  const lastReload = last && { result: last.result, at: iso(last.atMs) };
  return { generation, fingerprint, loadedAt: iso(loadedAtMs), lastReload };
}

function destinationStatus(
  destination: Destination,
  { nowMs, wallMs, reason, counts }: StatusParts,
): DestinationStatus {
  const { router, path, bound, endpoints } = destination;
  const confirmedMs = bound?.lastConfirmedMs;
  const kept = bound?.kept === undefined ? "" : ` (kept: the name source says ${bound.kept})`;
  const { waiters = 0, retryBudget } = counts.destination(router, path);
  return {
    router,
    path,
    waiting: waiters,
    retryBudget: retryBudget === undefined ? undefined : Math.floor(retryBudget),
    resolution: destination.isRemoved ? "removed" : `${bound?.state ?? "pending"}${kept}`,
    ageSeconds:
      confirmedMs === undefined
        ? undefined
        : Math.max(0, Math.round((nowMs - confirmedMs) / 100) / 10),
    branches: (bound?.branches ?? []).map(({ id, weight, endpoints: { length } }) => ({
      id,
      weight,
      endpoints: length,
    })),
    endpoints: endpoints.map(({ spec, row, retired }) => ({
      address: formatAddress(spec),
      weight: spec.weight,
      connections: row.load,
      connects: row.connects,
      failures: row.failures,
      state: stateOf(spec, row.ejected, retired),
      ejection: ejectionOf(row, wallMs),
      reason: reason(destination, spec),
    })),
  };
}

function ejectionOf(row: EndpointRow, wallMs: number): EjectionStatus | undefined {
  const { ejection } = row;
  if (ejection === undefined) return undefined;
  const { kind, reason, probeAtMs } = ejection;
  const probeInSeconds = Math.max(0, Math.ceil((probeAtMs - wallMs) / 1000));
  return { kind, reason, probeInSeconds, workers: row.noted(kind) };
}

function stateOf(spec: EndpointSpec, ejected: number, retired: boolean): EndpointStatus["state"] {
  if (retired) return "retired";
  if (!spec.enabled) return "disabled";
  if (!spec.healthy) return "unhealthy";
  return ejected > 0 ? "ejected" : "ready";
}
