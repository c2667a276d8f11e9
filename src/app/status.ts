// The state of the whole proxy as the admin port shows it.
import type { DestinationStatus, Status } from "../admin/admin-port.ts";
import type { Destination } from "../control/destination.ts";
import { formatAddress } from "../lib/address.ts";
import type { BoundServer } from "./listeners.ts";
import { VERSION } from "./version.ts";

/** What a status is made from. */
export interface StatusParts {
  readonly state: Status["state"];
  readonly uptimeMs: number;
  readonly nowMs: number;
  readonly workers: number;
  readonly servers: readonly BoundServer[];
  readonly destinations: readonly Destination[];
}

export function statusOf(parts: StatusParts): Status {
  return {
    version: VERSION,
    state: parts.state,
    uptimeSeconds: Math.floor(parts.uptimeMs / 1000),
    workers: parts.workers,
    servers: parts.servers.map(({ router, config, socket }) => ({
      router: router.label,
      address: formatAddress(socket),
      dstName: config.dstName,
      tls: config.tls !== undefined,
    })),
    destinations: parts.destinations.map((destination) =>
      destinationStatus(destination, parts.nowMs),
    ),
  };
}

function destinationStatus(
  { router, path, name, endpoints }: Destination,
  nowMs: number,
): DestinationStatus {
  const confirmedMs = name?.lastConfirmedMs;
  const kept = name?.kept === undefined ? "" : ` (kept: the name source says ${name.kept})`;
  return {
    router,
    path,
    resolution: `${name?.resolution.state ?? "pending"}${kept}`,
    ageSeconds:
      confirmedMs === undefined
        ? undefined
        : Math.max(0, Math.round((nowMs - confirmedMs) / 100) / 10),
    endpoints: endpoints.map(({ spec, row, retired }) => ({
      address: formatAddress(spec),
      weight: spec.weight,
      connections: row.load,
      connects: row.connects,
      failures: row.failures,
      state: retired ? "retired" : row.ejected > 0 ? "ejected" : "ready",
    })),
  };
}
