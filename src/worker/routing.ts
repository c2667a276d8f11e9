// Where the sessions of a server go, from what the control thread says of it.
import type { SessionRoutes } from "../proxy/session-routes.ts";
import type { Lookup } from "../router/lookup.ts";
import { RouteTable } from "../router/route-table.ts";
import type { Router } from "../router/router.ts";
import { NO_DESTINATION, type ServerSpec } from "../wire/messages.ts";
import type { Routing } from "./servers.ts";

/** `hold` keeps a destination until what it answers is called; `lookup` finds names that connections bring up. */
export function routingOf(
  { destination, destinations = [], routing }: ServerSpec,
  router: Pick<Router, "route">,
  hold: (destination: number) => () => void,
  lookup: Lookup | undefined,
): Routing {
  const ids = new Map(destinations);
  const held = routing === undefined ? [destination] : [...ids.values()];
  const ends = held.map(hold);
  const routes: SessionRoutes | undefined = routing && {
    table: new RouteTable(routing, (path) => ids.get(path) ?? NO_DESTINATION),
    route: (id) => router.route(id),
    lookup,
    helloTimeoutMs: routing.passthrough?.helloTimeoutMs,
  };
  return {
    route: () => router.route(destination),
    routes,
    onOver: () => {
      for (const end of ends) end();
    },
  };
}
