// What operators do with a running proxy: from addresses and paths to the ids that workers know, and back.
import {
  type ConnectionFilter,
  type ConnectionList,
  type ConnectionOrder,
  type ConnectionStatus,
  ControlError,
  type ControlPort,
  type EndingStatus,
  type EndpointTarget,
  type EndpointWish,
  type EndRequest,
  type OverrideStatus,
} from "../admin/control-port.ts";
import type { Destination, EndpointAddress } from "../control/destination.ts";
import { type OverrideEntry, Overrides } from "../control/overrides.ts";
import type { Sessions } from "../control/sessions.ts";
import { type Address, formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { LogFields, Logger } from "../telemetry/log.ts";
import type { Gauge } from "../telemetry/metrics.ts";
import { NO_DESTINATION } from "../wire/messages.ts";
import type { EndHow, SessionRow, SessionSelector } from "../wire/session-messages.ts";
import type { Destinations } from "./destinations.ts";
import type { Drains } from "./drains.ts";
import type { BoundServer } from "./servers.ts";
import type { PassedOverride } from "./upgrade-messages.ts";

/** What control is given. */
export interface ControlParts {
  readonly destinations: Destinations;
  readonly servers: () => readonly BoundServer[];
  readonly sessions: Sessions;
  readonly drains: Drains;
  readonly clock: Clock;
  readonly log: Logger;
  /** Overrides in force. */
  readonly gauge: Gauge;
}

export class Control implements ControlPort {
  readonly #parts: ControlParts;
  readonly #overrides: Overrides;

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.#overrides = new Overrides(
      parts.clock,
      (address) => this.#apply(address),
      (entry) => parts.log.info("an override has expired", () => describe(entry)),
    );
  }

  async connections(
    filter: ConnectionFilter,
    order: ConnectionOrder,
    limit: number,
  ): Promise<ConnectionList> {
    const { sessions, servers, destinations } = this.#parts;
    const { total, rows, missing } = await sessions.list(this.#selector(filter), limit, order);
    // Once for all rows: there may be 10,000 of them, and thousands of destinations.
    const known: Known = {
      servers: new Map(servers().map((server) => [server.id, server])),
      destinations: new Map(destinations.all.map((destination) => [destination.id, destination])),
    };
    const connections = rows.map((row) => connectionStatus(row, known));
    return { total, connections, ...(missing > 0 && { missingWorkers: missing }) };
  }

  async end(filter: ConnectionFilter, how: EndRequest): Promise<EndingStatus> {
    const selector = this.#selector(filter);
    const { sessions, log } = this.#parts;
    const what = describeFilter(filter);
    const [verb, reason] =
      how.kind === "cut" ? (["kills", "killed"] as const) : (["drains", "drained"] as const);
    log.info(`an operator ${verb} connections`, () => ({ what }));
    if (how.kind === "drain" && how.stopNew) this.#stopNew(filter);
    const ending = sessions.end(selector, this.#how(how, selector), reason, what);
    await ending.begun;
    const { total, left } = ending;
    return { what, total, left };
  }

  override(
    { endpoint, router, dst }: EndpointTarget,
    wish: EndpointWish,
    forMs: number | undefined,
  ): readonly OverrideStatus[] {
    // A destination that is misspelt would have no effect, which nobody would notice; an endpoint may come later.
    if (router !== undefined || dst !== undefined) this.#destinations(router, dst);
    const target = { router, path: dst, ip: endpoint.ip, port: endpoint.port };
    this.#overrides.set(target, wish, forMs);
    const { weight, enabled } = wish;
    this.#parts.log.info("an operator overrides an endpoint", () => ({
      ...describe({ target, override: {}, expiresMs: undefined }),
      ...(weight !== undefined && { weight: weight ?? "default" }),
      ...(enabled !== undefined && { enabled: enabled ?? "default" }),
      forMs,
    }));
    return this.overrides();
  }

  overrides(): readonly OverrideStatus[] {
    const nowMs = this.#parts.clock.now();
    return this.#overrides.entries.map(({ target, override, expiresMs }) => ({
      endpoint: formatAddress(target),
      router: target.router,
      dst: target.path,
      weight: override.weight,
      enabled: override.enabled,
      expiresInSeconds:
        expiresMs === undefined ? undefined : Math.max(0, Math.ceil((expiresMs - nowMs) / 1000)),
      applies: this.#parts.destinations.all
        .filter(({ router }) => target.router === undefined || target.router === router)
        .filter(({ path }) => target.path === undefined || target.path === path)
        .flatMap((destination) => resolvedWeights(destination, target)),
    }));
  }

  /** The overrides in force, for a process that takes over. */
  passOn(): readonly PassedOverride[] {
    const nowMs = this.#parts.clock.now();
    return this.#overrides.entries.map(({ target, override, expiresMs }) => ({
      ...target,
      ...override,
      ...(expiresMs !== undefined && { leftMs: Math.max(0, expiresMs - nowMs) }),
    }));
  }

  /** Goes on with what operators have said to the process before. */
  takeOver(passed: readonly PassedOverride[]): void {
    for (const { router, path, ip, port, weight, enabled, leftMs } of passed) {
      const wish = {
        ...(weight !== undefined && { weight }),
        ...(enabled !== undefined && { enabled }),
      };
      this.#overrides.set({ router, path, ip, port }, wish, leftMs);
    }
    if (passed.length === 0) return;
    this.#parts.log.info("overrides are taken over", () => ({ overrides: passed.length }));
  }

  /** A destination is new: it gets what operators have said before. */
  adopt(destination: Destination): void {
    for (const address of this.#overrides.addresses) this.#applyTo(destination, address);
  }

  /** Ends all timers. */
  stop(): void {
    this.#overrides.stop();
  }

  #stopNew({ endpoint, router, dst, server }: ConnectionFilter): void {
    if (endpoint !== undefined)
      this.override({ endpoint, router, dst }, { enabled: false }, undefined);
    if (server === undefined) return;
    const { servers, drains } = this.#parts;
    for (const bound of servers()) {
      if (formatAddress(bound.socket) === formatAddress(server))
        drains.closeServer(bound.id, bound.socket);
    }
  }

  #apply(address: EndpointAddress): void {
    this.#parts.gauge.set(this.#overrides.entries.length);
    for (const destination of this.#parts.destinations.all) this.#applyTo(destination, address);
  }

  #applyTo(destination: Destination, address: EndpointAddress): void {
    const { router, path } = destination;
    destination.setOverride(address, this.#overrides.of(router, path, address));
  }

  #selector({ server, router, dst, endpoint, ids, ...rest }: ConnectionFilter): SessionSelector {
    const destinations =
      router === undefined && dst === undefined ? undefined : this.#destinations(router, dst);
    return {
      ...rest,
      ...(ids !== undefined && { sessions: ids }),
      ...(server !== undefined && { servers: this.#servers(server) }),
      ...(destinations !== undefined && { destinations: destinations.map(({ id }) => id) }),
      ...(endpoint !== undefined && {
        endpoints: endpointIds(destinations ?? this.#parts.destinations.all, endpoint),
      }),
    };
  }

  #servers(address: Address): readonly number[] {
    const wanted = formatAddress(address);
    const servers = this.#parts.servers();
    const ids = servers.filter(({ socket }) => formatAddress(socket) === wanted);
    if (ids.length > 0) return ids.map(({ id }) => id);
    const known = servers.map(({ socket }) => formatAddress(socket)).join(", ");
    throw unknown(`no server listens on ${wanted}; there are ${known || "none"}`);
  }

  #destinations(router: string | undefined, dst: string | undefined): readonly Destination[] {
    const { all } = this.#parts.destinations;
    const fitting = all
      .filter((destination) => router === undefined || destination.router === router)
      .filter((destination) => dst === undefined || destination.path === dst);
    if (fitting.length > 0) return fitting;
    const known = [...new Set(all.map(({ router: label, path }) => `${path} of ${label}`))];
    const wanted = [dst ?? "any", ...(router === undefined ? [] : [router])].join(" of ");
    throw unknown(
      `there is no destination ${wanted}; there are ${known.slice(0, 20).join(", ") || "none"}`,
    );
  }

  /** What was not said is as the destinations' settings have it: of several the longest times. */
  #how(how: EndRequest, { destinations: ids }: SessionSelector): EndHow {
    if (how.kind === "cut") return how;
    const { destinations } = this.#parts;
    const drains = destinations.drains(ids);
    const longest = (time: "windowMs" | "deadlineMs"): number =>
      Math.max(0, ...drains.map((drain) => drain[time]));
    const windowMs = how.windowMs ?? longest("windowMs");
    return {
      kind: "drain",
      windowMs,
      maxPerSecond: how.maxPerSecond,
      deadlineMs: how.deadlineMs ?? Math.max(windowMs, longest("deadlineMs")),
    };
  }
}

/** What ids stand for. */
interface Known {
  readonly servers: ReadonlyMap<number, BoundServer>;
  readonly destinations: ReadonlyMap<number, Destination>;
}

function connectionStatus(row: SessionRow, { servers, destinations }: Known): ConnectionStatus {
  const { server: serverId, destination: destinationId, ageMs, idleMs, ...rest } = row;
  const server = servers.get(serverId);
  const destination = destinations.get(destinationId);
  const isUndecided = destinationId === NO_DESTINATION;
  return {
    id: rest.id,
    client: rest.client,
    server: server === undefined ? "closed" : formatAddress(server.socket),
    router: destination?.router ?? (isUndecided ? server?.router : undefined) ?? "removed",
    dst: isUndecided ? "undecided" : (destination?.path ?? "removed"),
    endpoint: rest.endpoint,
    state: rest.state,
    ageSeconds: Math.round(ageMs / 100) / 10,
    idleSeconds: Math.round(idleMs / 100) / 10,
    rxBytes: rest.rxBytes,
    txBytes: rest.txBytes,
    ...(rest.via !== undefined && { via: rest.via }),
    ...(rest.tls !== undefined && { tls: rest.tls }),
    ...(rest.endpointTls !== undefined && { endpointTls: rest.endpointTls }),
  };
}

function endpointIds(destinations: readonly Destination[], address: Address): readonly number[] {
  const ids = destinations.flatMap(({ endpoints }) =>
    endpoints
      .filter(({ spec }) => spec.ip === address.ip && spec.port === address.port)
      .map(({ spec }) => spec.id),
  );
  if (ids.length > 0) return ids;
  throw unknown(`no destination has the endpoint ${formatAddress(address)}`);
}

function resolvedWeights(
  { router, path, endpoints }: Destination,
  address: EndpointAddress,
): OverrideStatus["applies"] {
  return endpoints
    .filter(({ spec, retired }) => !retired && spec.ip === address.ip && spec.port === address.port)
    .map(({ resolvedWeight }) => ({ router, dst: path, resolvedWeight }));
}

function describe({ target, override }: OverrideEntry): LogFields {
  const { router, path } = target;
  return { endpoint: formatAddress(target), router, dst: path, ...override };
}

/** Such as `endpoint 10.0.0.1:80, minAgeMs 60000`. */
function describeFilter({ server, endpoint, ids, ...rest }: ConnectionFilter): string {
  const parts = {
    ...(server !== undefined && { server: formatAddress(server) }),
    ...(endpoint !== undefined && { endpoint: formatAddress(endpoint) }),
    ...(ids !== undefined && { ids: ids.slice(0, 10).join(" ") }),
    ...rest,
  };
  const text = Object.entries(parts).map(([key, value]) => `${key} ${value}`);
  return text.join(", ") || "all connections";
}

function unknown(message: string): ControlError {
  return new ControlError("UNKNOWN_TARGET", message);
}
