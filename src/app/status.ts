// The state of the whole proxy as the admin port shows it.
import type {
  ConfigurationStatus,
  DestinationStatus,
  EndpointStatus,
  Status,
} from "../admin/admin-port.ts";
import type { Destination } from "../control/destination.ts";
import type { NamerStatus } from "../discovery/create-namers.ts";
import { formatAddress } from "../lib/address.ts";
import type { EndpointSpec } from "../wire/messages.ts";
import type { BoundServer } from "./servers.ts";
import type { InEffect } from "./reload/reloader.ts";
import { VERSION } from "./version.ts";

/** What a status is made from. */
export interface StatusParts {
  readonly state: Status["state"];
  readonly uptimeMs: number;
  readonly nowMs: number;
  readonly workers: number;
  readonly configuration: InEffect;
  readonly servers: readonly BoundServer[];
  readonly destinations: readonly Destination[];
  readonly namers: readonly NamerStatus[];
}

export function statusOf(parts: StatusParts): Status {
  return {
    version: VERSION,
    state: parts.state,
    uptimeSeconds: Math.floor(parts.uptimeMs / 1000),
    workers: parts.workers,
    configuration: configurationStatus(parts.configuration),
    servers: parts.servers.map(({ router, config, socket }) => ({
      router,
      address: formatAddress(socket),
      dstName: config.dstName,
      tls: config.tls !== undefined,
    })),
    destinations: parts.destinations.map((destination) =>
      destinationStatus(destination, parts.nowMs),
    ),
    namers: parts.namers,
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

function destinationStatus(destination: Destination, nowMs: number): DestinationStatus {
  const { router, path, bound, endpoints } = destination;
  const confirmedMs = bound?.lastConfirmedMs;
  const kept = bound?.kept === undefined ? "" : ` (kept: the name source says ${bound.kept})`;
  return {
    router,
    path,
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
    })),
  };
}

function stateOf(spec: EndpointSpec, ejected: number, retired: boolean): EndpointStatus["state"] {
  if (retired) return "retired";
  if (!spec.enabled) return "disabled";
  if (!spec.healthy) return "unhealthy";
  return ejected > 0 ? "ejected" : "ready";
}
