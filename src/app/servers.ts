// The servers of all routers on the control thread: their listening sockets, and what workers must know of them.
import type { ServerLimits } from "../admission/limits-memory.ts";
import { pathsOf, templatesOf } from "../config/route-paths.ts";
import type { Config } from "../config/types.ts";
import { shareOf } from "../control/share.ts";
import { type Address, formatAddress } from "../lib/address.ts";
import { sameData } from "../lib/same-data.ts";
import { BindError, bind, type BoundSocket } from "../transport/bind.ts";
import { NO_DESTINATION, type ServerSpec, type ToWorker } from "../wire/messages.ts";
import { ListenError } from "./listeners.ts";
import { type Difference, type PlannedServer, serversOf } from "./reload/plan.ts";

/** A server with its listening socket. */
export interface BoundServer extends PlannedServer {
  /** Unique in the process. */
  readonly id: number;
  readonly socket: BoundSocket;
}

export type ServerChanges = readonly Difference<PlannedServer>[];

/** Sockets of servers that are to be added, by their keys. */
export interface PreparedServers {
  readonly sockets: ReadonlyMap<string, BoundSocket>;
  /** Gives up: closes what was bound for it. */
  discard(): void;
}

/** Sends a message to each worker, made for its index. */
export type TellEach = (make: (worker: number) => ToWorker) => void;

export interface ServersParts {
  readonly workers: number;
  /** The id of a router's destination. */
  readonly destinationOf: (router: string, path: string) => number | undefined;
  /** Who may use a server, as workers are to know it, from now on. */
  readonly limit: (server: BoundServer) => ServerLimits | undefined;
  /** Forgets who may use a server. */
  readonly unlimit: (server: BoundServer) => void;
  /** Whether a server accepts no more. */
  readonly isClosed: (id: number) => boolean;
}

export class Servers {
  readonly #parts: ServersParts;
  readonly #bound = new Map<string, BoundServer>();
  readonly #limits = new Map<number, ServerLimits | undefined>();
  #nextId = 0;

  constructor(parts: ServersParts) {
    this.#parts = parts;
  }

  get all(): readonly BoundServer[] {
    return [...this.#bound.values()];
  }

  /** Those that accept: without those that an operator has closed. */
  get open(): readonly BoundServer[] {
    return this.all.filter(({ id }) => !this.#parts.isClosed(id));
  }

  /** A server by who it is, see `PlannedServer`. */
  find(key: string): BoundServer | undefined {
    return this.#bound.get(key);
  }

  /** Begins with the servers of `config`, bound to `sockets` in the order of the file. Workers are told by `replay`. */
  begin(config: Config, sockets: readonly BoundSocket[]): void {
    [...serversOf(config).values()].forEach((server, index) => {
      const socket = sockets[index];
      if (socket !== undefined) this.#add(server, socket);
    });
  }

  /**
   * Binds what `changes` adds, or nothing: throws ListenError with all that failed. A server that takes the place of one
   * that goes, at the same address, gets its socket with what waits in its queue.
   */
  prepare(changes: ServerChanges): PreparedServers {
    const sockets = new Map<string, BoundSocket>();
    const bound: BoundSocket[] = [];
    const failures: Error[] = [];
    for (const difference of changes) {
      if (difference.change !== "added") continue;
      const { key, config } = difference.after;
      const inherited = config.port === 0 ? undefined : this.#goingAt(config, changes);
      try {
        const socket = inherited ?? bind(config.ip, config.port);
        if (inherited === undefined) bound.push(socket);
        sockets.set(key, socket);
      } catch (error) {
        if (!(error instanceof BindError)) throw error;
        failures.push(this.#explain(error, config));
      }
    }
    const discard = (): void => {
      for (const socket of bound) socket.close();
    };
    if (failures.length === 0) return { sockets, discard };
    discard();
    throw new ListenError(failures);
  }

  /** Applies `changes`: after the destinations that are added, and before others are removed. Answers new servers. */
  commit(
    changes: ServerChanges,
    { sockets }: PreparedServers,
    tellEach: TellEach,
  ): readonly BoundServer[] {
    const added: BoundServer[] = [];
    const kept = new Set(sockets.values());
    for (const difference of changes) {
      if (difference.change !== "removed") continue;
      const server = this.#bound.get(difference.before.key);
      if (server === undefined) continue;
      this.#bound.delete(server.key);
      this.#limits.delete(server.id);
      this.#parts.unlimit(server);
      tellEach(() => ({ type: "remove-server", server: server.id }));
      if (!kept.has(server.socket)) server.socket.close();
    }
    for (const difference of changes) {
      if (difference.change === "changed") this.#configure(difference, tellEach);
      if (difference.change !== "added") continue;
      const socket = sockets.get(difference.after.key);
      if (socket === undefined) continue;
      const server = this.#add(difference.after, socket);
      tellEach((worker) => ({ type: "add-server", ...this.#specOf(server, worker) }));
      added.push(server);
    }
    return added;
  }

  /** Everything that worker `index` must know of servers. */
  replay(index: number): readonly ToWorker[] {
    return this.open.map((server) => ({
      type: "add-server",
      ...this.#specOf(server, index),
    }));
  }

  /** Listens no more. */
  close(): void {
    for (const { socket } of this.#bound.values()) socket.close();
  }

  #add(server: PlannedServer, socket: BoundSocket): BoundServer {
    const added = { ...server, id: this.#nextId, socket };
    this.#nextId += 1;
    this.#bound.set(server.key, added);
    this.#limits.set(added.id, this.#parts.limit(added));
    return added;
  }

  #configure(
    { before, after }: Difference<PlannedServer> & { readonly change: "changed" },
    tellEach: TellEach,
  ): void {
    const known = this.#bound.get(after.key);
    if (known === undefined) return;
    const server = { ...known, ...after };
    this.#bound.set(after.key, server);
    // Limits that stay go on as they are, with what they have counted.
    if (!sameLimits(before, after)) this.#limits.set(server.id, this.#parts.limit(server));
    const keepsTls = sameData(before.config.tls, after.config.tls);
    tellEach((worker) => ({
      type: "configure-server",
      ...this.#specOf(server, worker),
      keepsTls,
    }));
  }

  #specOf({ id, router, config, socket }: BoundServer, worker: number): ServerSpec {
    const { dstName, limits: _, ...settings } = config;
    // Destinations are made before the servers that lead to them.
    const idOf = (path: string): number =>
      this.#parts.destinationOf(router, path) ?? NO_DESTINATION;
    const routed = settings.routing === undefined ? [] : pathsOf(config);
    return {
      ...settings,
      server: id,
      router,
      destination: dstName === undefined ? NO_DESTINATION : idOf(dstName),
      ...(routed.length > 0 && { destinations: routed.map((path) => [path, idOf(path)]) }),
      ...(templatesOf(config).length > 0 && { bringsUpNames: true }),
      fd: socket.fd,
      ip: socket.ip,
      port: socket.port,
      maxConcurrency: shareOf(config.maxConcurrency, worker, this.#parts.workers),
      limits: this.#limits.get(id),
    };
  }

  #goingAt({ ip, port }: Address, changes: ServerChanges): BoundSocket | undefined {
    for (const difference of changes) {
      if (difference.change !== "removed") continue;
      const going = this.#bound.get(difference.before.key);
      // The number of a closed one may be of another file by now.
      if (going === undefined || this.#parts.isClosed(going.id)) continue;
      if (going.socket.ip === ip && going.socket.port === port) return going.socket;
    }
    return undefined;
  }

  /** An address that this process itself keeps busy, by one that covers it or is covered by it. */
  #explain(error: BindError, address: Address): Error {
    if (error.code !== "EADDRINUSE") return error;
    const other = this.open.find(({ socket }) => socket.port === address.port);
    if (other === undefined) return error;
    return new Error(
      `Cannot listen on ${formatAddress(address)}: this process listens on ${formatAddress(other.socket)}, for the ` +
        `router ${other.router}. Remove that server with one reload, and add this one with the next.`,
      { cause: error },
    );
  }
}

function sameLimits({ config: before }: PlannedServer, { config: after }: PlannedServer): boolean {
  return before.maxConcurrency === after.maxConcurrency && sameData(before.limits, after.limits);
}
