// Where the sessions of a server go that chooses, from what the control thread says of it.
import { agreedTraits } from "../proxy/agreed-traits.ts";
import { IncomingHello } from "../proxy/client-hello/incoming-hello.ts";
import type { SessionRoutes } from "../proxy/session-routes.ts";
import type { RoutingConfig } from "../config/route-types.ts";
import type { Lookup } from "../router/lookup.ts";
import { RouteTable } from "../router/route-table.ts";
import type { Router } from "../router/router.ts";
import { NO_DESTINATION, type ServerSpec } from "../wire/messages.ts";
import type { Routing } from "./servers.ts";

/** `hold` keeps a destination until what it answers is called; `lookup` finds names that connections bring up. */
export function routingOf(
  { destination, destinations = [] }: ServerSpec,
  routing: RoutingConfig,
  router: Pick<Router, "route">,
  hold: (destination: number) => () => void,
  lookup: Lookup | undefined,
): Routing {
  const ids = new Map(destinations);
  const ends = [...ids.values()].map(hold);
  const routes: SessionRoutes = {
    table: new RouteTable(routing, (path) => ids.get(path) ?? NO_DESTINATION),
    route: (id) => router.route(id),
    lookup,
    helloTimeoutMs: routing.passthrough?.helloTimeoutMs,
    readHello: (observer) => new IncomingHello(observer),
    agreed: agreedTraits,
  };
  return {
    route: () => router.route(destination),
    routes,
    onOver: () => {
      for (const end of ends) end();
    },
  };
}
