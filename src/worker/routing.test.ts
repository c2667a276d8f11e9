import { describe, expect, test } from "bun:test";
import { SERVER } from "../../test/support/fake-world.ts";
import type { RoutingConfig } from "../config/route-types.ts";
import type { Balancer } from "../balancer/balancer.ts";
import { NO_DESTINATION, type ServerSpec } from "../wire/messages.ts";
import { routingOf } from "./routing.ts";

const SPEC: ServerSpec = {
  ...SERVER,
  server: 1,
  router: "r",
  destination: 7,
  fd: undefined,
  ip: "127.0.0.1",
  port: 1,
  tls: undefined,
  proxyProtocol: undefined,
  socketOptions: { keepAlive: undefined, userTimeoutMs: 0 },
};
const RESET = { kind: "end", how: "reset" } as const;
const ROUTING: RoutingConfig = {
  routes: [
    { match: { source: ["10.0.0.0/8"] }, to: { kind: "path", path: "/svc/a" } },
    { match: { source: ["11.0.0.0/8"] }, to: { kind: "path", path: "/svc/unknown" } },
  ],
  rest: { kind: "path", path: "/svc/b" },
  otherwise: { notTls: RESET, noServerName: undefined, noRoute: RESET, silent: RESET },
  passthrough: { helloTimeoutMs: 9 },
};

/** The balancer of each destination, as its number; who is held. */
function scene() {
  const held: number[] = [];
  const hold = (destination: number) => {
    held.push(destination);
    return () => void held.splice(held.indexOf(destination), 1);
  };
  const router = { route: (id: number) => ({ destination: id }) as Balancer };
  return { held, of: (spec: ServerSpec) => routingOf(spec, ROUTING, router, hold, undefined) };
}

describe("routingOf", () => {
  test("keeps every destination that rules lead to, and knows them by their paths", () => {
    const { held, of } = scene();
    const destinations = [
      ["/svc/a", 3],
      ["/svc/b", 4],
    ] as const;
    const { routes, onOver } = of({ ...SPEC, destinations });
    expect(held).toEqual([3, 4]);
    const to = (ip: string) => routes?.table.choose(ip, undefined).to;
    expect([to("10.0.0.1"), to("11.0.0.1"), to("12.0.0.1")]).toEqual(
      [3, NO_DESTINATION, 4].map((destination) => ({ kind: "destination", destination })),
    );
    expect([routes?.route(3)?.destination, routes?.helloTimeoutMs]).toEqual([3, 9]);
    onOver();
    expect(held).toEqual([]);
  });
});
