// A server with one balancer and no real sockets: everything between accept and close, driven by hand.
import { Balancer, type BalancerSettings } from "../../src/balancer/balancer.ts";
import { Endpoint } from "../../src/balancer/endpoint.ts";
import type { LoadBalancerConfig } from "../../src/config/types.ts";
import { createPickers } from "../../src/balancer/pickers.ts";
import { BalancerMetrics } from "../../src/balancer/metrics.ts";
import { seededRng } from "../../src/lib/rng.ts";
import { Descriptors } from "../../src/proxy/descriptors.ts";
import { ServerMetrics } from "../../src/proxy/metrics.ts";
import { Server, type ServerParts, type ServerSettings } from "../../src/proxy/server.ts";
import { Aggregate } from "../../src/telemetry/aggregate.ts";
import { EndpointRow, newEndpointPage } from "../../src/telemetry/endpoint-table.ts";
import { silentLogger } from "../../src/telemetry/log.ts";
import { Registry } from "../../src/telemetry/registry.ts";
import { connectTarget } from "../../src/transport/connector.ts";
import type { TlsOptions } from "../../src/transport/bun.ts";
import { afterFailures, AT_ONCE } from "./accrual-config.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeConnector, FakeSocket } from "./fake-sockets.ts";

/** Of a server of plain TCP, without limits of time but for connecting. */
export const SERVER: ServerSettings = {
  tls: false,
  destination: 0,
  connectTimeoutMs: 1_000,
  handshakeTimeoutMs: 500,
  connectionLifetimeMs: Number.POSITIVE_INFINITY,
  connectionLifetimeJitter: 0,
  halfClosedTimeoutMs: Number.POSITIVE_INFINITY,
  idleTimeoutMs: Number.POSITIVE_INFINITY,
  maxConcurrency: 100,
  earlyLimitBytes: 100,
};

const BALANCER: BalancerSettings = {
  maxWaiters: 100,
  minConnections: 0,
  retryBudget: { minRetriesPerSec: 10, percentCanRetry: 0.2, ttlMs: 10_000 },
  maxConnectionsPerEndpoint: Number.POSITIVE_INFINITY,
  accrual: afterFailures(5),
  ...AT_ONCE,
};

/** Endpoints are numbered from 1; there is one to begin with. */
export function fakeWorld(
  settings: Partial<ServerSettings> = {},
  balancing: Partial<BalancerSettings> = {},
  loadBalancer: LoadBalancerConfig = { kind: "p2c" },
  header: Pick<ServerParts, "incoming" | "startTls" | "admission" | "overload" | "routes"> & {
    readonly upstreamTls?: TlsOptions;
    readonly probePreamble?: Uint8Array;
  } = {},
) {
  const clock = new FakeClock();
  const connector = new FakeConnector(header.upstreamTls);
  const aggregate = new Aggregate();
  const registry = new Registry(aggregate.source("test"));
  const page = new Float64Array(newEndpointPage(1));
  const newEndpoint = (id: number): Endpoint => {
    const row = new EndpointRow(page, id, 0, 1);
    const target = connectTarget("127.0.0.1", 1000 + id);
    return new Endpoint({ id, branch: 0, target, weight: 1, row });
  };
  const endpoint = newEndpoint(1);
  const balancer = new Balancer({
    settings: { ...BALANCER, ...balancing },
    pickers: createPickers(loadBalancer, { clock, rng: seededRng(1), place: () => 0 }),
    connector,
    probePreamble: header.probePreamble,
    metrics: new BalancerMetrics(registry, "rt", "/svc/web"),
    clock,
    rng: seededRng(1),
    log: silentLogger,
    peerHasClosed: () => false,
    onReleased: () => {},
  });
  const join = (added: Endpoint): Endpoint => {
    const branches = [{ branch: 0, weight: 1 }];
    balancer.update({ known: true, branches, added: [added], changed: [], removed: [] });
    return added;
  };
  join(endpoint);
  const all = { ...SERVER, ...settings };
  const readsHeaders = header.incoming !== undefined;
  const metrics = new ServerMetrics(registry, "rt", "127.0.0.1:1", all.tls, readsHeaders);
  metrics.expect(all.tls, readsHeaders, header.routes !== undefined);
  const server = new Server({
    settings: all,
    metrics,
    ...header,
    rng: seededRng(2),
    descriptors: new Descriptors(1_000),
    clock,
    log: silentLogger,
    route: () => balancer,
  });
  /** The sum of a metric's series whose labels contain `label`. */
  const metric = (name: string, label?: string): number => {
    const family = aggregate.collect().find(({ definition }) => definition.name === name);
    const series =
      family?.series.filter(({ labels }) => label === undefined || labels.includes(label)) ?? [];
    return series.reduce((sum, { numbers }) => sum + (numbers[0] ?? 0), 0);
  };
  /** A client connects, from `ip` where that matters. */
  const accept = (ip?: string) => {
    const socket = new FakeSocket();
    if (ip !== undefined) {
      socket.remoteAddress = ip;
      socket.remotePort = 1234;
      socket.localAddress = "10.0.0.80";
      socket.localPort = 80;
    }
    socket.data = server.accept(socket);
    return socket;
  };
  /** Another endpoint comes, with the port 1000 + `id`. */
  const addEndpoint = (id: number): Endpoint => join(newEndpoint(id));
  return { clock, connector, balancer, endpoint, addEndpoint, server, metric, accept };
}
