// Drains in stages: first there is nothing new, which others see to, then what there is ends. Says which sessions and how.
import type { DrainStatus } from "../admin/admin-port.ts";
import type { AdminConfig, DrainConfig } from "../config/types.ts";
import type { Destination, EndpointAddress } from "../control/destination.ts";
import type { Ending, Sessions } from "../control/sessions.ts";
import { formatAddress } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import type { ToWorker } from "../wire/messages.ts";
import type { EndHow, EndReason } from "../wire/session-messages.ts";
import type { BoundServer } from "./servers.ts";

/** The last sessions of a shutdown get this part of its window, and at most this long, to take what is theirs. */
const SHUTDOWN_TAIL = { part: 0.2, mostMs: 1_000 };
/** An attempt that was under way when its endpoint was removed has succeeded or failed by then. */
const LATE_MS = 5_000;

/** What drains are made of. */
export interface DrainsParts {
  readonly sessions: Sessions;
  readonly broadcast: (message: ToWorker) => void;
  readonly clock: Clock;
}

export class Drains {
  readonly #parts: DrainsParts;
  /** Ids of servers. */
  readonly #closed = new Set<number>();
  /** What ends the sessions of an endpoint that has left its name, by the endpoint's id. */
  readonly #removals = new Map<number, Removal>();

  constructor(parts: DrainsParts) {
    this.#parts = parts;
  }

  /** Ends the sessions of an address, which gets no new ones: it is disabled, or has left its name. */
  endpoint(destination: Destination, address: EndpointAddress, how: EndHow): Ending {
    const endpoints = destination.endpoints
      .filter(({ spec: { ip, port } }) => ip === address.ip && port === address.port)
      .map(({ spec }) => spec.id);
    const what = `endpoint ${formatAddress(address)} of ${destination.path}`;
    return this.#parts.sessions.end({ endpoints }, how, "drained", what);
  }

  /** Ends the sessions that a destination has now. New ones come as long as its servers accept. */
  destination({ id, path }: Destination, how: EndHow): Ending {
    return this.#parts.sessions.end({ destinations: [id] }, how, "drained", `destination ${path}`);
  }

  /** Accepts no more for a server, for good, and ends its sessions. */
  server({ id, socket }: BoundServer, how: EndHow): Ending {
    this.closeServer(id, socket);
    const what = `server ${formatAddress(socket)}`;
    return this.#parts.sessions.end({ servers: [id] }, how, "drained", what);
  }

  /** Whether a server accepts no more, so that a worker that starts now is not told of it. */
  isClosed(server: number): boolean {
    return this.#closed.has(server);
  }

  /** Accepts no more for a server, for good; its sessions go on. */
  closeServer(id: number, socket: BoundServer["socket"]): void {
    this.#closed.add(id);
    socket.close();
    this.#parts.broadcast({ type: "close-server", server: id });
  }

  /** Ends all sessions within the window of a shutdown; what is left then is for the shutdown to reset. */
  process({ drainWindowMs }: AdminConfig): Ending {
    const how: EndHow = {
      kind: "drain",
      windowMs: shutdownWindowMs(drainWindowMs),
      maxPerSecond: Number.POSITIVE_INFINITY,
      deadlineMs: Number.POSITIVE_INFINITY,
    };
    return this.#parts.sessions.end({}, how, "drained", "the process");
  }

  /** Endpoints have left the name of a destination: does with their sessions what `config` says. */
  removed({ path }: Destination, ids: readonly number[], config: DrainConfig): void {
    const { onRemoval } = config;
    if (onRemoval === undefined || onRemoval === "keep" || ids.length === 0) return;
    const how: EndHow = onRemoval === "cut" ? { kind: "cut" } : { ...config, kind: "drain" };
    const reason: EndReason = onRemoval === "cut" ? "endpoint_removed" : "drained";
    const what = `${ids.length} removed ${ids.length === 1 ? "endpoint" : "endpoints"} of ${path}`;
    const end = (endpoints: readonly number[]): Ending =>
      this.#parts.sessions.end({ endpoints }, how, reason, what);
    const removal: Removal = { endings: [end(ids)] };
    for (const id of ids) this.#removals.set(id, removal);
    // Sessions that were connecting to them then have come to fit meanwhile.
    this.#parts.clock.after(LATE_MS, () => {
      const gone = ids.filter((id) => this.#removals.get(id) === removal);
      if (gone.length > 0) removal.endings.push(end(gone));
      void this.#forget(removal, gone);
    });
  }

  /** Checks have found endpoints of a destination unhealthy: ends what sessions they have. */
  demoted(
    { id, path }: Destination,
    endpoints: readonly number[],
    kind: EndHow["kind"],
    config: DrainConfig,
  ): Ending {
    const count = `${endpoints.length} unhealthy ${endpoints.length === 1 ? "endpoint" : "endpoints"}`;
    const what = `${count} of ${path}`;
    // First those that no session has yet: one that is being made would stay where it may not be.
    this.#parts.broadcast({ type: "cut-connections", destination: id, endpoints });
    if (kind === "drain") {
      return this.#parts.sessions.end({ endpoints }, { ...config, kind }, "drained", what);
    }
    return this.#parts.sessions.end({ endpoints }, { kind }, "endpoint_unhealthy", what);
  }

  /** Endpoints are resolved again: their sessions stay, except those that are being ended already. */
  returned(ids: readonly number[]): void {
    for (const id of ids) {
      for (const ending of this.#removals.get(id)?.endings ?? []) ending.stop([id]);
      this.#removals.delete(id);
    }
  }

  /** Those under way that have found something, for people. */
  status(): readonly DrainStatus[] {
    const nowMs = this.#parts.clock.now();
    return this.#parts.sessions.endings
      .filter(({ total }) => total > 0)
      .map(({ what, reason, how, sinceMs, total, left }) => {
        const deadlineMs = how.kind === "drain" ? how.deadlineMs : 0;
        const toDeadlineMs = Math.max(0, sinceMs + deadlineMs - nowMs);
        return {
          what,
          reason,
          ageSeconds: Math.round((nowMs - sinceMs) / 1000),
          total,
          left,
          deadlineSeconds:
            toDeadlineMs === Number.POSITIVE_INFINITY ? undefined : Math.round(toDeadlineMs / 1000),
        };
      });
  }

  async #forget(removal: Removal, ids: readonly number[]): Promise<void> {
    await Promise.all(removal.endings.map(({ done }) => done));
    for (const id of ids) {
      if (this.#removals.get(id) === removal) this.#removals.delete(id);
    }
  }
}

/** The part of a shutdown's window in which connections are begun to be ended. */
export function shutdownWindowMs(drainWindowMs: number): number {
  return drainWindowMs - Math.min(SHUTDOWN_TAIL.mostMs, drainWindowMs * SHUTDOWN_TAIL.part);
}

interface Removal {
  readonly endings: Ending[];
}
