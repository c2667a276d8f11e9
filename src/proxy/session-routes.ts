// How sessions find their balancer on a server that does not send all of them to one destination.
import type { Balancer } from "../balancer/balancer.ts";
import type { RouteCase } from "../config/route-types.ts";
import type { Asker, Lookup } from "../router/lookup.ts";
import type { NoHello, RouteTable, TlsTraits } from "../router/route-table.ts";
import type { HelloObserver, IncomingHello } from "./client-hello/incoming-hello.ts";
import type { CloseReason } from "./close-reason.ts";
import type { ServerMetrics } from "./metrics.ts";
import type { SessionFacts } from "./session-facts.ts";

/** What all sessions of a server share that chooses. */
export interface SessionRoutes {
  readonly table: RouteTable;
  /** The balancer of a path that is known from the start, by its id. */
  readonly route: (destination: number) => Balancer | undefined;
  /** Undefined where no path has a capture. */
  readonly lookup: Lookup | undefined;
  /** Undefined where no hello is read that is passed on. */
  readonly helloTimeoutMs: number | undefined;
  /** Begins to read a hello. */
  readonly readHello: (observer: HelloObserver) => IncomingHello;
  /** What rules can go by once a handshake of ours is done; undefined without one. */
  readonly agreed: (facts: SessionFacts) => TlsTraits | undefined;
}

/** Who wants to know where to go. */
export interface RouteSeeker {
  /** Undefined: there is none. */
  onRoute(balancer: Balancer | undefined): void;
  /** The connection is to be ended. */
  onRouteEnd(how: "close" | "reset", reason: CloseReason): void;
}

/** Tells `seeker` where to go: at once, or later, and then the answer is what waits, to be cancelled. */
export function seekRoute(
  seeker: RouteSeeker,
  { table, route, lookup }: SessionRoutes,
  metrics: ServerMetrics,
  client: { readonly ip: string | undefined; readonly tls: TlsTraits | NoHello | undefined },
): NameWait | undefined {
  const { to, because } = table.choose(client.ip, client.tls);
  if (because !== undefined) metrics.otherwise?.[because].add(1);
  switch (to.kind) {
    case "destination":
      seeker.onRoute(route(to.destination));
      return undefined;
    case "end":
      seeker.onRouteEnd(to.how, reasonOf(because));
      return undefined;
    case "name": {
      const wait = new NameWait(seeker, lookup, to.path);
      return wait.begin() ? wait : undefined;
    }
    default:
      return to satisfies never;
  }
}

/** A session's wait for the balancer of a name that it has brought up. */
export class NameWait implements Asker {
  readonly #seeker: RouteSeeker;
  readonly #lookup: Lookup | undefined;
  readonly #path: string;

  constructor(seeker: RouteSeeker, lookup: Lookup | undefined, path: string) {
    this.#seeker = seeker;
    this.#lookup = lookup;
    this.#path = path;
  }

  /** Asks. Answers whether there is something to wait for; else the seeker has been told. */
  begin(): boolean {
    const balancer = this.#lookup?.find(this.#path, this);
    if (balancer === undefined && this.#lookup !== undefined) return true;
    this.#seeker.onRoute(balancer);
    return false;
  }

  onBalancer(balancer: Balancer): void {
    this.#seeker.onRoute(balancer);
  }

  onNoBalancer(): void {
    this.#seeker.onRoute(undefined);
  }

  cancel(): void {
    this.#lookup?.leave(this.#path, this);
  }
}

/** Why a connection is ended that is to be ended for this; undefined: a rule said so. */
function reasonOf(because: RouteCase | undefined): CloseReason {
  switch (because) {
    case undefined:
      return "route_refused";
    case "not_tls":
    case "malformed_hello":
      return "not_tls";
    case "no_server_name":
    case "no_route":
      return because;
    case "silent":
      return "hello_timeout";
    default:
      return because satisfies never;
  }
}
